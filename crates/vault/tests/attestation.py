# SPDX-License-Identifier: Apache-2.0
"""Verifies an attestation without Orgkeep, from docs/format.md alone.

    attestation.py FILE                          whether its signature and its tree fit each other
    attestation.py FILE VAULT PASSPHRASE_FILE    also whether the rows in the vault still are what was attested

Needs the packages blake3, cryptography and, for a vault, pyarrow. Keeps a whole table in memory: it shows the format, it is no tool.
"""

import base64
import datetime
import io
import json
import struct
import sys

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verified(attestation):
    if attestation["what"] != "orgkeep attestation" or attestation["format"] != 2:
        sys.exit("not an attestation of format 2")
    statement = json.loads(attestation["statement"])
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(statement["publicKey"]))
    try:
        key.verify(base64.b64decode(attestation["signature"]), attestation["statement"].encode())
    except InvalidSignature:
        sys.exit("the signature does not fit")
    if root(attestation["state"]) != statement["root"]:
        sys.exit("the objects are not those that were signed")
    return statement


def root(state):
    leaves = []
    for name in sorted(state, key=str.encode):
        held = state[name]
        leaf = b"orgkeep leaf 1\0" + name.encode() + b"\0" + held["live"].to_bytes(8, "big")
        leaves.append(blake3(leaf + held["digest"].encode()).digest())
    return (over(leaves) if leaves else blake3(b"orgkeep empty 1\0").digest()).hex()


def over(leaves):
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return blake3(b"orgkeep node 1\0" + over(leaves[:left]) + over(leaves[left:])).digest()


def tag(name):
    return blake3(name.encode()).digest()[:8]


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def canonical(kind, value):
    if kind == "boolean":
        return bytes([value])
    if kind == "long":
        return struct.pack("<q", value)
    if kind == "double":
        return struct.pack("<d", value)
    if kind == "date":
        return struct.pack("<i", (value - EPOCH.date()).days)
    if kind == "timestamp":
        return struct.pack("<q", (value - EPOCH) // datetime.timedelta(microseconds=1))
    if kind.startswith("decimal"):
        scale = int(kind.rstrip(")").split(",")[1])
        return int(value.scaleb(scale)).to_bytes(16, "little", signed=True)
    return text(value)


def held(vault, org, name, sequence):
    """Live records and digest of an object as of a backup, from its rows."""
    import pyarrow.parquet
    from reader import OWN, table

    path = f"orgs/{org}/objects/{name}"
    _, files = table(vault, path)
    kinds, version = {}, 0
    while vault.exists(f"{path}/_delta_log/{version:020}.json"):
        for line in vault.read(f"{path}/_delta_log/{version:020}.json").splitlines():
            action = json.loads(line)
            if "metaData" in action:
                fields = json.loads(action["metaData"]["schemaString"])["fields"]
                kinds = {field["name"]: field["type"] for field in fields if field["name"] not in OWN}
        version += 1
    newest = {}
    for file in sorted(files):
        if int(file.split("-")[0]) <= sequence:
            for row in pyarrow.parquet.read_table(io.BytesIO(vault.read(f"{path}/{file}"))).to_pylist():
                newest[row["Id"]] = row
    live, total = 0, 0
    for row in newest.values():
        if row["_deleted"]:
            continue
        data = b""
        for column in sorted(kinds, key=str.encode):
            if row.get(column) is not None:
                data += tag(column) + canonical(kinds[column], row[column])
        misfits = json.loads(row["_misfit"]) if row["_misfit"] else {}
        for column in sorted(misfits, key=str.encode):
            data += tag("_misfit") + text(column) + text(misfits[column])
        live += 1
        total += int.from_bytes(blake3(data).digest()[:16], "little")
    return {"live": live, "digest": f"{total % 2**128:032x}"}


def erasures(vault, org):
    """All erasures with their hashes; their numbers have no gaps."""
    import pyarrow

    found, number = [], 1
    while vault.exists(path := f"orgs/{org}/erasures/{number:010}.json.zst"):
        erasure = pyarrow.CompressedInputStream(io.BytesIO(vault.read(path)), "zstd").read()
        found.append((json.loads(erasure), blake3(erasure).hexdigest()))
        number += 1
    return found


def without(attested, name, sequence, since):
    """What was attested, less what was erased since; and what that was."""
    live, total, gone = attested["live"], int(attested["digest"], 16), []
    for erasure, hash in since:
        shares = [share for share in erasure["shares"].get(name, []) if share["backup"] <= sequence]
        if erasure["newest"] >= sequence and shares:
            live -= shares[-1]["live"]
            total -= int(shares[-1]["digest"], 16)
            if shares[-1]["live"]:
                gone.append((shares[-1]["live"], erasure["number"], hash))
    return {"live": live, "digest": f"{total % 2**128:032x}"}, gone


def main():
    with open(sys.argv[1], "rb") as file:
        attestation = json.load(file)
    statement = verified(attestation)
    print(f"backup {statement['sequence']} of {statement['org']}: signature and tree fit")
    if len(sys.argv) == 2:
        return
    import pyarrow
    from reader import Vault

    with open(sys.argv[3], "rb") as file:
        vault = Vault(sys.argv[2], file.read().rstrip(b"\r\n"), statement["org"])
    path = f"orgs/{statement['org']}/backups/{statement['sequence']:010}.json.zst"
    manifest = pyarrow.CompressedInputStream(io.BytesIO(vault.read(path)), "zstd").read()
    if blake3(manifest).hexdigest() != statement["manifest"]:
        sys.exit("the manifest is not the one that was sealed")
    since = erasures(vault, statement["org"])
    for name, attested in attestation["state"].items():
        expected, gone = without(attested, name, statement["sequence"], since)
        found = held(vault, statement["org"], name, statement["sequence"])
        if found != expected:
            sys.exit(f"{name}: attested {attested}, without what was erased {expected}, found {found}")
        for records, number, hash in gone:
            print(f"{records} of {name} were erased since: erasure {number}, BLAKE3 {hash}")
    print(f"{len(attestation['state'])} objects are what was attested")


if __name__ == "__main__":
    main()
