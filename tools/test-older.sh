#!/bin/sh
# Run the connector's tests on an older release of Hummingbot: tools/test-older.sh [pytest arguments]
#
# RELEASE names it; without it, the oldest of the tested range. It gets an environment of its own below build/, so .venv
# stays as it is; the first run builds Hummingbot, which takes some minutes. Every other package has the version of
# requirements.lock where the older release allows it, so that what differs is Hummingbot. WORKERS as for make test.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
fail() {
    echo "make test-older: $*" >&2
    exit 1
}
[ -x .venv/bin/python ] || fail "There is no .venv here: run 'make install' first."
release=${RELEASE:-$(.venv/bin/python -c 'from hummingbot_valr.versions import OLDEST; print(OLDEST)')}
folder=${OLDER_FOLDER:-$root/build/hummingbot-$release}
python=$folder/.venv/bin/python

# Behind a proxy with a certificate of its own only the system's store knows it, not the one uv brings.
for store in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -f "$store" ]; then export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"; fi
done

uv() {
    "$root/.venv/bin/python" -m uv "$@"
}

without_hashes() {
    grep -v '^ *--hash' "$1" | sed 's/ \\$//'
}

build() {
    mkdir -p "$folder"
    without_hashes requirements.lock | grep -v '^hummingbot==' >"$folder/constraints.txt"
    without_hashes requirements-build.lock >"$folder/build-constraints.txt"
    sed "s/^hummingbot==.*/hummingbot==$release/" requirements.in >"$folder/requirements.in"
    # 20260729 asks for two versions of lighter-sdk at once, so that no resolver takes it as it is.
    { cat requirements-override.in; echo; grep '^lighter-sdk==' "$folder/constraints.txt"; } >"$folder/override.in"
    base=$(.venv/bin/python -c 'import sys; print(sys._base_executable)')
    uv venv -q --clear --python "$base" "$folder/.venv"
    uv pip compile -q --python "$python" -c "$folder/constraints.txt" --override "$folder/override.in" \
        "$folder/requirements.in" -o "$folder/requirements.lock" ||
        fail "the dependencies of Hummingbot $release could not be resolved (see above)."
    echo "Building Hummingbot $release in $folder (some minutes)"
    uv pip sync -q --python "$python" --build-constraints "$folder/build-constraints.txt" "$folder/requirements.lock" ||
        fail "Hummingbot $release could not be installed (see above)."
}

link() {
    ln -sfn "$root/$1" "$site/$1"
}

wanted="$(cat requirements.lock requirements-build.lock | cksum) $release"
if [ "$(cat "$folder/.installed" 2>/dev/null)" != "$wanted" ]; then
    build
    echo "$wanted" >"$folder/.installed"
fi
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
link hummingbot/connector/exchange/valr
link valr_loopback
link hummingbot_valr

[ $# -gt 0 ] || set -- -n "${WORKERS:-2}" test/hummingbot test/strategies test/hummingbot_valr
echo "Hummingbot $release: pytest $*"
exec "$python" -m pytest -q -p no:cacheprovider "$@"
