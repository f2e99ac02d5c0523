#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setup.sh: installs what building, testing and the demo need, on Debian 12, as root or through sudo. All install steps live here.
# Does nothing when all is there. LIMBECK_NO_INSTALL=1 only checks; LIMBECK_MPI=0 leaves out what training by several processes needs.
set -eu
packages="gcc g++ libc6-dev binutils meson ninja-build pkg-config ca-certificates
  libopenblas-openmp-dev libhdf5-dev libjpeg62-turbo-dev libpng-dev zlib1g-dev libjansson-dev libfyaml-dev libutf8proc-dev
  libfreetype-dev libharfbuzz-dev libarchive-dev libdeflate-dev
  libavformat-dev libavcodec-dev libavutil-dev libswscale-dev libswresample-dev libwebp-dev libheif-dev libnifti-dev libsentencepiece-dev
  fonts-noto-color-emoji unicode-data unicode-cldr-core wordnet-base
  libonnx-testdata
  python3-minimal python3-pip python3-numpy python3-h5py"
[ "${LIMBECK_MPI:-1}" = 0 ] || packages="$packages libopenmpi-dev openmpi-bin"
missing=""
for p in $packages; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ -n "${LIMBECK_NO_INSTALL:-}" ]; then
  echo "setup: missing packages:$missing" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
  echo "setup: run as root, or install sudo; missing packages:$missing" >&2
  exit 1
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "setup: apt-get failed; the packages above are needed" >&2
  exit 1
fi
rm -f "$log"
