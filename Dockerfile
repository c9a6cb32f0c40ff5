# Serves models over HTTP, without PyTorch: the bundled model, or those in the folder /models.
#
#     docker build -t foveate .
#     docker run --rm -p 127.0.0.1:8000:8000 foveate
#     docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/models:/models:ro" foveate --open /models/mine
#
# Inside, the server listens on all addresses of the container. Others reach only what you publish:
# these commands publish it to this machine alone. Further than that, give it keys instead of --open:
#
#     ... -v "$PWD/keys.txt:/keys.txt:ro" foveate --api-key-file /keys.txt /models/mine

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m pip install --no-cache-dir "hatchling>=1.27"
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.13-slim
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --constraint /tmp/constraints.txt \
        "$(echo /wheels/*.whl)[serve]" \
    && rm -r /wheels /tmp/constraints.txt \
    && useradd --create-home --uid 10001 foveate
USER foveate
WORKDIR /home/foveate
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s CMD \
    python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=4)"
ENTRYPOINT ["foveate", "serve", "--host", "0.0.0.0"]
CMD ["--open"]
