# The service as an image: Python, the locked dependencies, the package. For linux/amd64 and linux/arm64.
#   docker build -t job-submission:0.1.0 .
# Runs as user 65532 on a read-only root file system, without a shell, and fetches nothing.
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# hashes of everything and wheels alone: the same files whoever builds
COPY requirements/service.txt requirements/build.txt requirements/
RUN python -m pip install --no-compile --only-binary :all: --require-hashes --prefix /install -r requirements/service.txt \
 && python -m pip install --no-compile --only-binary :all: --require-hashes -r requirements/build.txt \
 # the typed models of the Kubernetes client: half of the image, loaded on first use, never used here
 && find /install/lib/python3*/site-packages/kubernetes \( -path '*/client/models/*.py' -o -path '*/client/api/*.py' \) ! -name __init__.py -delete
COPY pyproject.toml README.md LICENSE ./
COPY service service
# bytecode by the sources' hashes, not their times
RUN python -m pip install --no-compile --no-deps --no-build-isolation --no-index --prefix /install . \
 && python -m compileall -q --invalidation-mode unchecked-hash /install/lib

FROM ${PYTHON}
LABEL org.opencontainers.image.title="job-submission" \
      org.opencontainers.image.description="Hands training jobs to a GPU cluster, once and surely" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /install /usr/local
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# a release of a dependency that needs what was left out fails here
RUN ["python", "-m", "service", "--version"]
USER 65532:65532
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["all"]
