# The image, built from source: docker build -t dapi-mock .
# packaging/image/Dockerfile makes the same one from a program that is built already.
#
# With podman or buildah, add --format docker: images in OCI's own format have no health check. No `# syntax=` line, as
# it would be fetched from the network, and no HEALTHCHECK option that Debian 12's buildah does not know.

FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /build

# The dependencies, in a layer that only a change of Cargo.toml or Cargo.lock builds again.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
 && cargo build --locked --release

COPY migrations migrations
COPY docs/seeds docs/seeds
COPY src src
# Cargo goes by the age of a file, and these may be older than their stand-ins above.
RUN touch src/lib.rs src/main.rs && cargo build --locked --release
# The last stage has no shell to make the folder that its user may write to.
RUN mkdir /data


# glibc and libgcc, which the program is linked to, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot

COPY --from=build /build/target/release/dapi-mock /usr/local/bin/dapi-mock
COPY --from=build --chown=65532:65532 /data /data

# From here on as in packaging/image/Dockerfile.
USER 65532:65532

# Within a container, loopback would be out of everybody's reach. The control API stays locked until
# DAPI_MOCK_CONTROL_KEY is set: docs/container.md. The CA is in /data as well, beside the SQLite file.
ENV DAPI_MOCK_HOST=0.0.0.0 \
    DAPI_MOCK_DATABASE=sqlite:/data/dapi-mock.db
VOLUME /data
EXPOSE 3274

# The first check comes after one interval, so a long one would delay whoever waits for the container to be healthy.
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
