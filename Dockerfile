# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
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


# glibc and libgcc, which the binary is linked to, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot

LABEL org.opencontainers.image.title="dapi-mock" \
      org.opencontainers.image.description="The personal-access-token service of Databricks, on your own machine, with its rules enforced" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

COPY --from=build /build/target/release/dapi-mock /usr/local/bin/dapi-mock
COPY --from=build --chown=65532:65532 /data /data

# /data also gets the own CA, which is kept beside the SQLite file.
# The control API without a key is open to whoever reaches the container; the banner says so.
ENV DAPI_MOCK_HOST=0.0.0.0 \
    DAPI_MOCK_ALLOW_OPEN_CONTROL=true \
    DAPI_MOCK_DATABASE=sqlite:/data/dapi-mock.db
VOLUME /data
EXPOSE 3274

# Docker looks every --start-interval only within --start-period, which is none by default.
HEALTHCHECK --start-period=30s --start-interval=1s --interval=10s --timeout=3s \
  CMD ["/usr/local/bin/dapi-mock", "healthcheck"]

ENTRYPOINT ["/usr/local/bin/dapi-mock"]
CMD ["serve"]
