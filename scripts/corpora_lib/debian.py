"""Debian packages, fetched and unpacked into a folder, without being installed.

SPDX-License-Identifier: MIT
"""
import hashlib
import json
import shutil
import subprocess
import sys


def run(*words, **more):
    return subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def download(package, version, folder):
    """The .deb of a package in this version; in the one that apt knows, where an archive has given up the old one."""
    for words in (f"{package}={version}", package):
        folder.mkdir(parents=True)
        done = run("apt-get", "-q", "download", words, cwd=folder)
        files = list(folder.glob("*.deb"))
        if done.returncode == 0 and len(files) == 1:
            return files[0]
        shutil.rmtree(folder)
        print(f"scripts/corpora: no {words} to be had", flush=True)
    sys.exit(f"scripts/corpora: apt-get download {package} failed: {done.stderr.strip() or done.stdout.strip()}\n"
             "(it needs the network once, and lists of packages: apt-get update)")


def take(package, version, tree):
    """Unpacks one package into the tree; what was taken."""
    deb = download(package, version, tree.with_suffix(".deb"))
    data = deb.read_bytes()
    have = run("dpkg-deb", "-f", deb, "Version").stdout.strip()
    done = run("dpkg-deb", "-x", deb, tree)
    shutil.rmtree(deb.parent)
    if done.returncode:
        sys.exit(f"scripts/corpora: {package} cannot be unpacked: {done.stderr.strip()}")
    print(f"{package} {have}: {len(data) / 1e6:.1f} MB" + (f" (not {version}, which is pinned)" if have != version else ""), flush=True)
    return {"package": package, "version": have, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def unpacked(name, wanted, folder):
    """The tree of a corpus's packages, (package, version) each, and what they are; made unless it is there."""
    tree, stamp = folder / name, folder / (name + ".json")
    if stamp.exists():
        facts = json.loads(stamp.read_text())
        if facts["wanted"] == [list(one) for one in wanted] and tree.exists():
            return tree, facts["packages"]
        stamp.unlink()
    shutil.rmtree(tree, ignore_errors=True)
    shutil.rmtree(tree.with_suffix(".deb"), ignore_errors=True)
    tree.mkdir(parents=True)
    packages = [take(package, version, tree) for package, version in wanted]
    stamp.write_text(json.dumps({"wanted": wanted, "packages": packages}))
    return tree, packages
