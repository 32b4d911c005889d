# The portal's image: web, worker, beat, migrate and the witness are this one with different commands (docker-compose.yml).
FROM python:3.13-slim-bookworm AS packages
WORKDIR /build
COPY requirements-uv.lock requirements-serve.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
 && uv venv /venv \
 && VIRTUAL_ENV=/venv uv pip install --no-cache --require-hashes --compile-bytecode -r requirements-serve.lock

FROM python:3.13-slim-bookworm
# An empty volume takes its owner from the folder that it is mounted on: the witness's are the witness's.
RUN useradd --uid 10001 --create-home --home-dir /home/opsportal opsportal \
 && useradd --uid 10002 --no-create-home --home-dir /nonexistent witness \
 && install -d -o witness -g witness -m 0700 /var/lib/witness \
 && install -d -o witness -g witness -m 0755 /var/lib/witnessed
COPY --from=packages /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/opsportal
COPY manage.py gunicorn.conf.py pyproject.toml ./
COPY opsportal opsportal
COPY apps apps
COPY templates templates
COPY static static
USER opsportal
EXPOSE 8000
CMD ["gunicorn", "opsportal.wsgi:application", "--bind", "0.0.0.0:8000"]
