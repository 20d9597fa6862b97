# The runtime for NVIDIA GPUs, from the files of a release: docker build -f docker/gpu.Dockerfile -t fkd:gpu dist/release
# CUDA and cuDNN come as packages of Python; the driver comes from the machine that runs it.
FROM python:3.13-slim-bookworm AS packages
WORKDIR /release
COPY runtime-gpu.txt fkd-*.whl ./
RUN python -m venv /opt/fkd \
    && /opt/fkd/bin/pip install --no-cache-dir --require-hashes --requirement runtime-gpu.txt \
    && /opt/fkd/bin/pip install --no-cache-dir --no-deps fkd-*.whl

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --create-home fkd
COPY --from=packages /opt/fkd /opt/fkd
ENV PATH=/opt/fkd/bin:$PATH PYTHONUNBUFFERED=1 FKD_CACHE=/tmp/fkd \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER 10001
WORKDIR /work
EXPOSE 8765
ENTRYPOINT ["fkd-infer"]
CMD ["--help"]
