# SPDX-License-Identifier: Apache-2.0
"""Reads a vault without Orgkeep, from docs/format.md alone.

    reader.py VAULT PASSPHRASE_FILE ORG OBJECT SEQUENCE

prints the records of OBJECT as of backup SEQUENCE, one JSON object per line, sorted by Id, every value as text or null.
Needs the packages cryptography and pyarrow. Keeps a whole table in memory: it shows the format, it is no tool.
"""

import base64
import datetime
import io
import json
import os
import sys

import pyarrow
import pyarrow.parquet
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HEADER, CHUNK, TAG = 48, 65536, 16
OWN = ("_misfit", "_deleted", "_backup", "_hash")


def unwrap(key, purpose, wrapped):
    raw = base64.b64decode(wrapped)
    return AESGCM(key).decrypt(raw[:12], raw[12:], purpose.encode("ascii"))


def vault_key(vault, passphrase):
    for slot in vault["slots"]:
        if slot["kind"] != "passphrase":
            continue
        stretched = Argon2id(
            salt=base64.b64decode(slot["salt"]),
            length=32,
            iterations=slot["iterations"],
            lanes=slot["lanes"],
            memory_cost=slot["memoryKib"],
        ).derive(passphrase)
        try:
            return unwrap(stretched, "orgkeep slot passphrase", slot["wrapped"])
        except InvalidTag:
            continue
    sys.exit("the passphrase does not open this vault")


class Vault:
    def __init__(self, place, passphrase, org):
        self.place, self.key = place, None
        vault = json.loads(self.stored("vault.json"))
        if vault["what"] != "orgkeep vault" or vault["format"] != 2:
            sys.exit("not a vault of format 2")
        if vault["encrypted"]:
            file = json.loads(self.stored(f"orgs/{org}/key.json"))
            held = file["keys"]
            self.key, opener = {}, vault_key(vault, passphrase)
            for entry in held:
                try:
                    self.key[entry["id"]] = unwrap(opener, f"orgkeep org {org}", entry["wrapped"])
                except InvalidTag:
                    continue

    def stored(self, path):
        with open(os.path.join(self.place, *path.split("/")), "rb") as file:
            return file.read()

    def exists(self, path):
        return os.path.exists(os.path.join(self.place, *path.split("/")))

    def read(self, path):
        stored = self.stored(path)
        if self.key is None:
            return stored
        header, chunks = stored[:HEADER], stored[HEADER:]
        number = int.from_bytes(header[8:16], "big")
        if header[:8] != b"ORGKEEP\x01" or number not in self.key:
            sys.exit(f"{path}: not an encrypted file, or of a key that is gone")
        info = b"orgkeep file 1\x00" + path.encode()
        cipher = AESGCM(HKDF(SHA256(), 32, salt=header[16:48], info=info).derive(self.key[number]))
        plain = []
        count = max(1, -(-len(chunks) // (CHUNK + TAG)))
        for number in range(count):
            sealed = chunks[number * (CHUNK + TAG) : (number + 1) * (CHUNK + TAG)]
            nonce = number.to_bytes(8, "big") + bytes(3) + bytes([number == count - 1])
            plain.append(cipher.decrypt(nonce, sealed, header))
        return b"".join(plain)


def table(vault, path):
    """The columns of a Delta table and the paths of its files."""
    schema, files, version = None, set(), 0
    while vault.exists(f"{path}/_delta_log/{version:020}.json"):
        for line in vault.read(f"{path}/_delta_log/{version:020}.json").splitlines():
            action = json.loads(line)
            if "metaData" in action:
                schema = json.loads(action["metaData"]["schemaString"])
            elif "add" in action:
                files.add(action["add"]["path"])
            elif "remove" in action:
                files.discard(action["remove"]["path"])
        version += 1
    columns = [field["name"] for field in schema["fields"] if field["name"] not in OWN]
    return columns, files


def text(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return double(value)
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y").zfill(4) + value.strftime("-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    digits = format(value, "f")  # decimal.Decimal
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def double(value):
    if value == 0:
        return "0"
    digits = repr(value)
    mantissa, _, exponent = digits.partition("e")
    if 1e-7 <= abs(value) < 1e21:
        if exponent:  # Python changes to exponents earlier
            places = len(mantissa.partition(".")[2]) - int(exponent)
            digits = f"{value:.{max(places, 0)}f}"
        return digits.removesuffix(".0")
    if not exponent:
        mantissa, _, exponent = f"{value:e}".partition("e")
        mantissa = mantissa.rstrip("0")
    return f"{mantissa.removesuffix('.0').rstrip('.')}e{int(exponent)}"


def state(vault, org, name, sequence):
    manifest = f"orgs/{org}/backups/{sequence:010}.json.zst"
    if not vault.exists(manifest):
        sys.exit(f"there is no finished backup {sequence}")
    json.load(pyarrow.CompressedInputStream(io.BytesIO(vault.read(manifest)), "zstd"))
    path = f"orgs/{org}/objects/{name}"
    columns, files = table(vault, path)
    newest = {}
    for file in files:
        version = int(file.split("-")[1])
        data = io.BytesIO(vault.read(f"{path}/{file}"))
        # Threads of the library may outlive the interpreter, which then ends with an abort.
        rows = pyarrow.parquet.read_table(data, use_threads=False, pre_buffer=False).to_pylist()
        for row in rows:
            # Of two rows of one backup, the one in the file of the greater version is the later.
            rank = (row["_backup"], version)
            if row["_backup"] <= sequence and (row["Id"] not in newest or newest[row["Id"]][0] < rank):
                newest[row["Id"]] = (rank, row)
    for identifier in sorted(newest, key=lambda identifier: identifier.encode()):
        row = newest[identifier][1]
        if row["_deleted"]:
            continue
        misfits = json.loads(row["_misfit"]) if row["_misfit"] else {}
        yield {column: misfits.get(column, text(row.get(column))) for column in columns}


def main():
    place, passphrase_file, org, name, sequence = sys.argv[1:]
    with open(passphrase_file, "rb") as file:
        passphrase = file.read().rstrip(b"\r\n")
    for record in state(Vault(place, passphrase, org), org, name, int(sequence)):
        print(json.dumps(record, ensure_ascii=False))


if __name__ == "__main__":
    main()
