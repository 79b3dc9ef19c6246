# makeweight on processors. From the root of the repository:
#   docker build --build-arg VERSION=0.1.0 --build-arg TORCH_INDEX=ADDRESS --tag makeweight .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" makeweight inspect shoes
#
# VERSION is the tag without its v; the image has no git to ask. TORCH_INDEX is the address of PyTorch's index of builds
# for processors alone, which its page of installation tells. Without it pip's own index is asked, whose build for Linux
# works as well, and brings the libraries of GPUs, some gigabytes.
FROM python:3.13-slim AS build
ARG TORCH_INDEX=""
ARG VERSION=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY constraints.txt ./
# torch in a layer of its own, which changes with its version alone.
RUN python -m venv /opt/makeweight \
    && grep '^torch==' constraints.txt > torch.txt \
    && /opt/makeweight/bin/pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --requirement torch.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" \
    /opt/makeweight/bin/pip install --constraint constraints.txt . \
    && /opt/makeweight/bin/makeweight --version

FROM python:3.13-slim
# Whoever `docker run --user` names has a home to write caches to.
RUN useradd --uid 10001 --create-home makeweight \
    && chmod 1777 /home/makeweight \
    && mkdir /data \
    && chown makeweight /data
COPY --from=build /opt/makeweight /opt/makeweight
ENV HOME=/home/makeweight PATH=/opt/makeweight/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
ENTRYPOINT ["makeweight"]
CMD ["--help"]
