# The runtime for CPUs, from the files of a release: docker build -f docker/cpu.Dockerfile -t fkd dist/release
FROM python:3.13-slim-bookworm AS packages
WORKDIR /release
COPY runtime-cpu.txt fkd-*.whl ./
RUN python -m venv /opt/fkd \
    && /opt/fkd/bin/pip install --no-cache-dir --require-hashes --requirement runtime-cpu.txt \
    && /opt/fkd/bin/pip install --no-cache-dir --no-deps fkd-*.whl

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --create-home fkd
COPY --from=packages /opt/fkd /opt/fkd
ENV PATH=/opt/fkd/bin:$PATH PYTHONUNBUFFERED=1 FKD_CACHE=/tmp/fkd
USER 10001
WORKDIR /work
EXPOSE 8765
ENTRYPOINT ["fkd-infer"]
CMD ["--help"]
