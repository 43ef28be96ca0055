# Hummingbot's own images with the VALR connector in them: `bot` to trade with, `api` for fleets (Hummingbot's API).
# docker-compose.yml and docker-compose.fleet.yml build and run them. Keys and settings stay outside, in volumes.

FROM hummingbot/hummingbot:version-2.17.0 AS bot

COPY hummingbot/connector/exchange/valr /opt/hummingbot-valr/hummingbot/connector/exchange/valr
COPY hummingbot_valr /opt/hummingbot-valr/hummingbot_valr
COPY valr_loopback /opt/hummingbot-valr/valr_loopback
COPY scripts /home/hummingbot/scripts
ENV PYTHONPATH=/opt/hummingbot-valr

# Hummingbot is a source checkout here, compiled for the conda environment of its name. This also loads the connector.
RUN ["/opt/conda/envs/hummingbot/bin/python", "-m", "hummingbot_valr.command", "install", "--hummingbot", "/home/hummingbot", "--python", "/opt/conda/envs/hummingbot/bin/python"]


FROM hummingbot/hummingbot-api:1.0.1 AS api

COPY hummingbot/connector/exchange/valr /opt/hummingbot-valr/hummingbot/connector/exchange/valr
COPY hummingbot_valr /opt/hummingbot-valr/hummingbot_valr
ENV PYTHONPATH=/opt/hummingbot-valr

# Hummingbot is an installed package here.
RUN ["/opt/conda/envs/hummingbot-api/bin/python", "-m", "hummingbot_valr.command", "install", "--hummingbot", "/opt/conda/envs/hummingbot-api"]
