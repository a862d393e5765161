# Builds the image from source: docker build -t dapi-mock .
# packaging/image/Dockerfile builds the same image from an existing program.
#
# With podman or buildah, add --format docker: images in the OCI format have no health check. This file has no `#
# syntax=` line, which would need the network, and only HEALTHCHECK options that Debian 12's buildah knows.

FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /build

# A layer with the dependencies, which is rebuilt only when Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
 && cargo build --locked --release

COPY migrations migrations
COPY docs/seeds docs/seeds
COPY src src
# Cargo compares the age of files, and these may be older than the empty ones above.
RUN touch src/lib.rs src/main.rs && cargo build --locked --release
# The last stage has no shell to create the folder that its user may write to.
RUN mkdir /data


# This base has only glibc and libgcc, which the program is linked to: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot

COPY --from=build /build/target/release/dapi-mock /usr/local/bin/dapi-mock
COPY --from=build --chown=65532:65532 /data /data

# From here on, this file equals packaging/image/Dockerfile.
USER 65532:65532

# Nothing outside the container could reach loopback. The control API stays locked until DAPI_MOCK_CONTROL_KEY is set:
# see docs/container.md. The CA is also in /data, beside the SQLite file.
ENV DAPI_MOCK_HOST=0.0.0.0 \
    DAPI_MOCK_DATABASE=sqlite:/data/dapi-mock.db
VOLUME /data
EXPOSE 3274

# The first check runs after one interval, so a long interval would delay everything that waits for a healthy container.
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/dapi-mock", "healthcheck"]

ENTRYPOINT ["/usr/local/bin/dapi-mock"]
CMD ["serve"]

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dapi-mock" \
      org.opencontainers.image.description="The personal-access-token service of Databricks, on your own machine, with its rules enforced" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.source="https://github.com/dapi-mock/dapi-mock" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
