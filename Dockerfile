# One image for every service, cronjob and the release: they differ in nothing but their command.
# docs/offbeat/containers.md says why each step is as it is.

# The digest is what is pulled; dependabot renews it, and follows the tag.
FROM docker.io/library/python:3.14-slim@sha256:a2b82f3c48559aa0a8446d9af49826b6e2b2016f4cd2afabfe6013ec53729170 AS base
# Bytecode is compiled here, once, and not at every start on a file system that may be read-only. The public image comes
# without that of the standard library: 11 MB, which spare every start and every wake-up half a second.
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x '/(site-packages|test|tests|idlelib|ensurepip|tkinter|turtledemo|lib2to3)/' /usr/local/lib/python3*
# A number, so that Kubernetes can tell that it is not root.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app
WORKDIR /app


FROM base AS requirements
COPY requirements.txt ./
# Wheels only: nothing is compiled, so no stage needs a compiler. Django reads the .mo files, never the .po (11 MB).
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv install --no-cache-dir --no-compile --only-binary :all: --require-hashes \
      --requirement requirements.txt \
 && find /opt/venv -name '*.po' -delete \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib


# For compose.yaml, which mounts the source: reload, the mail sink, the stand-in for the platform's cron.
# No other build enters this stage.
FROM requirements AS development
COPY requirements-dev.txt ./
RUN pip --python /opt/venv install --no-cache-dir --no-compile --only-binary :all: --require-hashes \
      --requirement requirements-dev.txt
# A named volume takes its owner from the directory that it covers.
RUN install --directory --owner 10001 --group 10001 /mail
ENV PYTHONPATH=/app/src
USER 10001:10001
STOPSIGNAL SIGTERM


FROM base
COPY --from=requirements /opt/venv /opt/venv
COPY manage.py platform.yaml ./
COPY src src
# A checkout under umask 077 is not readable to others. The values exist for this line only: the settings ask for
# them, collecting files uses none of them. process.sh starts what the variable PROCESS names.
RUN chmod -R a+rX . \
 && SECRET_KEY=unused-at-build ALLOWED_HOSTS=unused DATABASE_URL=postgres://unused REDIS_URL=redis://unused \
      python manage.py collectstatic --no-input --verbosity 0 \
 && python src/offbeat/deployment/process.py > process.sh \
 && python -m compileall -q --invalidation-mode unchecked-hash manage.py src

USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"

# That of the process which PROCESS names. A container with a command of its own needs PROCESS or a check of its own, too.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["sh", "/app/process.sh", "health"]
# The command that platform.yaml has for PROCESS, web's without: sh replaces itself with it.
CMD ["sh", "/app/process.sh"]
