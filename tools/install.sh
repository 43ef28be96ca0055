#!/bin/sh
# Bring .venv in line with requirements.lock, link this checkout into it, and put the launchers into .venv/bin: `hbot`,
# `hummingbot` (the interactive client, also as `hummingbot-client`) and `hummingbot-valr`.
#
# Runs again in a second when nothing changed: .venv/.installed, written last, names what the environment was made from.
# pip cannot resolve this release of Hummingbot, uv can; without uv on PATH one is put into .venv-tools.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
venv=$root/.venv
tools=$root/.venv-tools
python=$venv/bin/python
stamp=$venv/.installed

fail() {
    echo "make install: $*" >&2
    exit 1
}

has_one_of() {
    for command in "$@"; do
        if command -v "$command" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

checksum() {
    cat requirements.lock requirements-build.lock | cksum
}

runs() {
    "$1" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

# Behind a proxy with a certificate of its own only the system's store knows it, not the one uv brings.
for store in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -f "$store" ]; then export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"; fi
done

# ---- a Python ------------------------------------------------------------------------------------------------------

find_uv() {
    if uv --version >/dev/null 2>&1; then
        uv=uv
        return
    fi
    uv=$tools/bin/uv
    pinned=$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.lock)
    if [ "$(cat "$tools/.installed" 2>/dev/null)" = "$pinned" ] && "$uv" --version >/dev/null 2>&1; then return; fi
    for host in "$1" python3 python; do
        if [ -n "$host" ] && "$host" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo "Installing $pinned into .venv-tools"
            rm -rf "$tools"
            "$host" -m venv "$tools" || fail "$host could not make a virtual environment in $tools."
            "$tools/bin/python" -m pip install -q --disable-pip-version-check "$pinned" ||
                fail "pip could not install $pinned: is the package index reachable?"
            echo "$pinned" >"$tools/.installed"
            return
        fi
    done
    fail "$2"
}

make_environment() {
    base=""
    why=""
    if found=$(tools/find-python.sh 2>&1); then base=$found; else why=$found; fi
    find_uv "$base" "${why:-No Python that can make virtual environments: install python3-venv.}"
    if [ -z "$base" ]; then
        base=$("$uv" python find '>=3.12,<3.14' 2>/dev/null) || base=""
    fi
    if [ -z "$base" ]; then
        echo "No Python 3.12 or 3.13 on this machine: fetching one"
        "$uv" python install -q 3.12 >/dev/null 2>&1 || fail "$why"
        base=$("$uv" python find --managed-python 3.12) || fail "$why"
    fi
    echo "Making .venv with $base"
    "$uv" venv -q --clear --python "$base" "$venv" || fail "$base could not make a virtual environment in $venv."
}

# ---- what goes in --------------------------------------------------------------------------------------------------

require_compiler() {
    has_one_of "${CXX:-c++}" g++ clang++ ||
        fail "Hummingbot is compiled on installation and no C++ compiler was found: install one (g++ or clang)."
    has_one_of "${CC:-cc}" gcc clang ||
        fail "Hummingbot's dependencies are compiled on installation and no C compiler was found: install gcc or clang."
}

link() {
    # $1: path in the checkout, $2: path below site-packages
    if [ -e "$site/$2" ] && [ ! -L "$site/$2" ]; then
        fail "$site/$2 is a copy, probably from a wheel: remove it with '$python -m uv pip uninstall hummingbot-valr'."
    fi
    # An older link is replaced, not followed.
    ln -sfn "$root/$1" "$site/$2"
}

launcher() {
    # $1: name in .venv/bin, $2: the module it runs
    quoted=$(printf '%s' "$python" | sed "s/'/'\\\\''/g")
    printf '#!/bin/sh\nexec '\''%s'\'' -m %s "$@"\n' "$quoted" "$2" >"$venv/bin/$1.new"
    chmod 755 "$venv/bin/$1.new"
    mv -f "$venv/bin/$1.new" "$venv/bin/$1"
}

wire() {
    site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    # Links rather than a .pth file with the checkout's path: that would also put the checkout's test/, scripts/ and
    # conf/ on every import path, where a user's own scripts/ could lose against them.
    link hummingbot/connector/exchange/valr hummingbot/connector/exchange/valr
    link valr_loopback valr_loopback
    link hummingbot_valr hummingbot_valr
    launcher hbot hummingbot_valr.hbot
    launcher hummingbot hummingbot_valr.client
    launcher hummingbot-client hummingbot_valr.client
    launcher hummingbot-valr hummingbot_valr.command
}

wanted="$(checksum) $root"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && runs "$python"; then
    wire
    exit 0
fi

# The scripts in bin/ name the folder they were made for: a moved environment is made anew.
case "$(cat "$stamp" 2>/dev/null || true)" in
"" | *" $root") moved=false ;;
*) moved=true ;;
esac
rm -f "$stamp"

if $moved || ! runs "$python"; then
    require_compiler
    make_environment
else
    find_uv "$python" "No Python that can make virtual environments: install python3-venv."
    ls "$venv"/lib/python*/site-packages/hummingbot-*.dist-info >/dev/null 2>&1 || require_compiler
fi

echo "Installing requirements.lock into .venv (compiling Hummingbot takes some minutes the first time)"
# At a terminal uv shows what it is at: there are minutes to wait.
quiet=-q
if [ -t 2 ]; then quiet=""; fi
"$uv" pip sync $quiet --python "$python" --build-constraints requirements-build.lock requirements.lock ||
    fail "the packages of requirements.lock could not be installed (see above)."
wire
"$python" -c 'import hummingbot.core.clock, hummingbot.client.settings' ||
    fail "Hummingbot does not import in .venv: 'make clean install' builds it anew."
echo "$wanted" >"$stamp"
echo "Done: .venv/bin/hbot, and .venv/bin/hummingbot, the interactive client."
echo "Run them in the folder that shall hold your conf/, logs/ and data/."
