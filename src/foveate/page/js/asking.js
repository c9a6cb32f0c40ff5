// Questions to the engine: none while somebody types, and only the newest answer counts.

/** Return a function that asks the engine after a pause and drops the answers to older questions. */
export function makeAsker(engine, { onBusy, onAnswer, onError }) {
  let newest = 0;
  let timer = 0;

  async function run(number, text, options) {
    onBusy();
    try {
      const answer = await engine.translate(text, options);
      if (number === newest) onAnswer(answer, text, options);
    } catch (error) {
      if (number !== newest) return;
      onError(error);
      const wait = error.retryAfter ?? null;
      if (wait !== null) timer = setTimeout(run, 1000 * wait, number, text, options);
    }
  }

  return function ask(text, options, pause = 0) {
    newest += 1;
    clearTimeout(timer);
    timer = setTimeout(run, pause, newest, text, options);
  };
}
