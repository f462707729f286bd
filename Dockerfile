# The engine with TLS and SASL. Two stages: what builds is not what runs.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package frostwatch --features tls \
    && cp target/release/frostwatch /usr/local/bin/ \
    && frostwatch simulate --setup /usr/share/frostwatch/company > /dev/null

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home frostwatch
COPY --from=build /usr/local/bin/frostwatch /usr/local/bin/
# A simulated company's rules and places, for a first look.
COPY --from=build /usr/share/frostwatch /usr/share/frostwatch
USER frostwatch
ENTRYPOINT ["frostwatch"]
CMD ["run", "--config", "/etc/frostwatch/frostwatch.yaml"]
