# The service as an image: Python, the locked dependencies, the package. For linux/amd64 and linux/arm64.
#   docker build -t job-submission:0.1.0 .
# Runs as user 65532 on a read-only root file system, needs no shell, holds no installer and fetches nothing.
# With what tracing needs: --build-arg REQUIREMENTS=tracing
# For a release: --build-arg PYTHON=python@sha256:... --build-arg REVISION=$(git rev-parse HEAD)
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
ARG REQUIREMENTS=service
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# hashes of everything and wheels alone: the same files whoever builds
COPY requirements/${REQUIREMENTS}.txt requirements/build.txt requirements/
RUN python -m pip install --no-compile --only-binary :all: --require-hashes --prefix /install -r requirements/${REQUIREMENTS}.txt \
 && python -m pip install --no-compile --only-binary :all: --require-hashes -r requirements/build.txt \
 # the typed models of the Kubernetes client: half of the image, loaded on first use, never used here
 && find /install/lib/python3*/site-packages/kubernetes \( -path '*/client/models/*.py' -o -path '*/client/api/*.py' \) ! -name __init__.py -delete
COPY pyproject.toml README.md LICENSE ./
COPY service service
# bytecode by the sources' hashes, not their times; one time for all files, so that two builds have the same ones
RUN python -m pip install --no-compile --no-deps --no-build-isolation --no-index --prefix /install . \
 && python -m compileall -q --invalidation-mode unchecked-hash /install/lib \
 # the standard library's as well: the base has none, and on a read-only root every start would compile it in vain
 && python -m compileall -q -f --invalidation-mode unchecked-hash -x '/(site-packages|ensurepip|idlelib|tests?|turtledemo)/' /usr/local/lib/python3* \
 && (cd /usr/local && find lib/python3* -regex '.*/\(site-packages\|ensurepip\)' -prune -o -name '*.pyc' -exec cp --parents -t /install {} +) \
 && find /install -exec touch --no-dereference --date=@0 {} +

FROM ${PYTHON}
# nothing that could install something
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/pip*
COPY --from=build /install /usr/local
# a home for whatever user it runs as: the Kubernetes client asks for one, and a user that is in no passwd file has none
ENV HOME=/ PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# a release of a dependency that needs what was left out fails here
RUN ["python", "-m", "service", "--version"]
USER 65532:65532
EXPOSE 8080 9090
# of either role, wherever METRICS_HOST and METRICS_PORT have put it; no proxy is asked
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["python", "-I", "-S", "-c", "import http.client, os, sys; env = os.environ.get; at = http.client.HTTPConnection(env('METRICS_HOST') or '127.0.0.1', int(env('METRICS_PORT') or 9090), timeout=4); at.request('GET', '/healthz'); sys.exit(at.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["all"]
ARG PYTHON
ARG REVISION=unknown
LABEL org.opencontainers.image.title="job-submission" \
      org.opencontainers.image.description="Hands training jobs to a GPU cluster, once and surely" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON}"
