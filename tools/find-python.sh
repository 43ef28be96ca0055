#!/bin/sh
# Print the path of a Python that Hummingbot can be built for; or say on stderr, in one sentence, what to install.
#
# Looks at every python on PATH (a pyenv shim may stand before a real one) and at pyenv's own versions. Each candidate
# is run: a name or a path says nothing about what a shim starts. 3.12, which the lock is tested with, is preferred.

wanted="3.12 3.13"
pyenv_versions="${PYENV_ROOT:-$HOME/.pyenv}/versions"

# Prints "<version> <lacking> <path>"; inside a virtual environment the path is that of the Python it was made from.
probe='
import os, sys, sysconfig
lacking = []
try:
    import ensurepip, venv
except ImportError:
    lacking.append("venv")
if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
    lacking.append("headers")
print("%d.%d" % sys.version_info[:2], "+".join(lacking) or "nothing", getattr(sys, "_base_executable", sys.executable))
'

candidates() {
    old_ifs=$IFS
    IFS=:
    for directory in $PATH; do
        for name in python3.12 python3.13 python3 python; do
            printf '%s\n' "$directory/$name"
        done
    done
    IFS=$old_ifs
    for version in $wanted; do
        for path in "$pyenv_versions/$version".*/bin/python3; do
            printf '%s\n' "$path"
        done
    done
}

found=$(candidates | while IFS= read -r candidate; do
    [ -f "$candidate" ] && [ -x "$candidate" ] && "$candidate" -I -c "$probe" 2>/dev/null </dev/null
done)

incomplete=""
for version in $wanted; do
    while read -r is lacking path; do
        [ "$is" = "$version" ] || continue
        if [ "$lacking" = nothing ]; then
            printf '%s\n' "$path"
            exit 0
        fi
        incomplete="${incomplete:-Python $is ($path) lacks what Debian and Ubuntu split off it: install python$is-venv and python$is-dev.}"
    done <<END
$found
END
done

echo "${incomplete:-No Python 3.12 or 3.13 found on PATH or in $pyenv_versions: install one, with its venv module and C headers (pyenv install 3.12, or python3.12 python3.12-venv python3.12-dev from the system).}" >&2
exit 1
