#!/usr/bin/env bash
# Installs a Home Assistant into a virtual environment of its own (about 200 MB, kept in build/home-assistant) and lets
# it judge what the MQTT sink says: its schemas, and Home Assistant itself at a real broker (mosquitto).
set -euo pipefail
cd "$(dirname "$0")/.."

# The newest release for Python 3.11.
release=2024.3.3
folder=build/home-assistant
python=${ASC_EDGE_HA_BASE_PYTHON:-python3.11}

if [ "${1:-}" = --help ]; then
  echo "usage: tools/ha_validation.sh [PYTEST-ARGUMENT]..."
  echo "ASC_EDGE_HA_BASE_PYTHON names another Python 3.11 than the one on the path."
  exit 0
fi
command -v "$python" >/dev/null || {
  echo "ha_validation: error: no $python; Home Assistant $release wants Python 3.11" >&2
  exit 1
}
if [ ! -e "$folder/complete" ]; then
  rm -rf "$folder"
  "$python" -m venv "$folder"
  # The last ones are what its MQTT integration asks for, and imports.
  "$folder/bin/pip" install -q "homeassistant==$release" paho-mqtt==1.6.1 janus==1.0.0 aiohttp_cors==0.7.0
  touch "$folder/complete"
fi
ASC_EDGE_HA_PYTHON=$PWD/$folder/bin/python exec .venv/bin/python -m pytest -q tests/test_mqtt_home_assistant.py "$@"
