# What our images are measured beside: the recipe of the sample that this project goes beyond, on the same base image.
# It installs the whole of transformers with PyTorch, and copies two checkpoints.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG TORCH_INDEX
ARG TRANSFORMERS
ARG TORCH
# Without GPU libraries, though the recipe does not ask for that: it would be 3 GB larger.
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip install --disable-pip-version-check --root-user-action ignore --target /opt/python \
        ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}} "transformers[torch]==${TRANSFORMERS}" "torch==${TORCH}"
COPY models/ /var/task/models/
