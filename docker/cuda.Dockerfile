# makeweight on NVIDIA's GPUs. From the root of the repository:
#   docker build --file docker/cuda.Dockerfile --build-arg VERSION=0.1.0 --tag makeweight:cuda .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" --volume "$PWD:/data" makeweight:cuda balance shoes balanced
#
# torch's build for GPUs brings CUDA's libraries along as packages, so CUDA's small image is enough; it tells the
# container toolkit which driver is needed. Its version, 13.0, is that of the torch in constraints.txt. VERSION is the
# tag without its v; the image has no git to ask.
ARG CUDA_IMAGE=nvidia/cuda:13.0.1-base-ubuntu24.04

FROM ${CUDA_IMAGE} AS python
# Ubuntu's Python, 3.12, which belongs to the release of the image.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

FROM python AS build
ARG VERSION=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY constraints.txt ./
# torch in a layer of its own, which changes with its version alone.
RUN python3 -m venv /opt/makeweight \
    && grep '^torch==' constraints.txt > torch.txt \
    && /opt/makeweight/bin/pip install --constraint constraints.txt --requirement torch.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" \
    /opt/makeweight/bin/pip install --constraint constraints.txt . \
    && /opt/makeweight/bin/makeweight --version

FROM python
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
