// The engine that asks a server, and says in plain words what went wrong.

const NOT_SENT = new Set(["target"]);

/** What went wrong: words for a person, and after how many seconds to try again, if at all. */
export class EngineError extends Error {
  constructor(message, retryAfter = null) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** Open the server at an address as an engine; "" is where the page comes from. */
export async function openHttpEngine(base = "") {
  const engine = new HttpEngine(base);
  await engine.info();
  return engine;
}

class HttpEngine {
  constructor(base) {
    this.kind = "http";
    this.base = base;
    this.can = { must: true, mbr: true, sampling: true, stream: true };
    this.known = null;
  }

  /** Do nothing: a server that answers has opened its models. */
  async open() {}

  async info() {
    this.known ??= await this.ask("/info");
    return structuredClone(this.known);
  }

  /** Translate a text; the options are those of POST /translate, and `target` for a given output. */
  async translate(text, options = {}) {
    if (options.target !== undefined && options.target !== null) {
      const { target, model, choices } = options;
      return this.ask("/attend", { text, target, model, choices });
    }
    const kept = Object.entries(options).filter(([name]) => !NOT_SENT.has(name));
    return this.ask("/translate", { text, ...Object.fromEntries(kept) });
  }

  async ask(path, body) {
    const answer = await this.send(path, body);
    let value;
    try {
      value = await answer.json();
    } catch {
      value = {};
    }
    if (answer.ok) return value;
    throw explain(answer, value.error ?? value.detail);
  }

  async send(path, body) {
    const request = body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    try {
      return await fetch(this.base + path, request);
    } catch {
      throw new EngineError("The server does not answer. Is foveate serve still running?");
    }
  }
}

function explain(answer, said) {
  if (answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    return new EngineError(`The server is busy. The page tries again in ${seconds} s.`, seconds);
  }
  if (answer.status === 401 || answer.status === 403) {
    return new EngineError("The server wants an API key, which this page does not have.");
  }
  if (typeof said === "string" && said) return new EngineError(said);
  return new EngineError(`The server answered with the error ${answer.status}.`);
}
