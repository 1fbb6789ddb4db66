# The dashboard and the HTTP routes in one container: docker build -t mnist-lab . && docker run -p 7860:7860 mnist-lab
FROM python:3.11-slim AS wheels
WORKDIR /lab
RUN pip install --no-cache-dir uv==0.13.8
COPY requirements.txt uv.toml ./
# uv.toml asks for the CPU builds of torch.
RUN uv venv .venv && uv pip install --no-cache --compile-bytecode -r requirements.txt

FROM python:3.11-slim
RUN useradd --uid 1000 --no-create-home lab && mkdir /data && chown lab /data
WORKDIR /lab
COPY --from=wheels /lab/.venv .venv
COPY .streamlit .streamlit
COPY checkpoints checkpoints
COPY mnist_core mnist_core
COPY pages pages
COPY streamlit_app.py server.py ./
ENV PATH=/lab/.venv/bin:$PATH HOME=/data MNIST_DATA_DIR=/data PYTHONDONTWRITEBYTECODE=1 PORT=7860
USER 1000
# The only folder that is written to: MNIST itself, where a visitor asks for its images.
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/api/health', timeout=4)"]
# Hosts say in PORT where they listen.
CMD ["sh", "-c", "exec uvicorn server:app --host 0.0.0.0 --port \"$PORT\""]
