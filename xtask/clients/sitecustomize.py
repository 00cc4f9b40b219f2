# SPDX-License-Identifier: Apache-2.0
"""Lets Python clients that know only Salesforce's own hosts talk to an emulated org, unmodified.

Python imports this by itself when its folder is on PYTHONPATH. With SF_EMU=http://127.0.0.1:PORT in the environment,
what requests would send to a Salesforce host, or by https to this machine, goes to that address; and no socket is opened
to any other machine.
"""

import os
import re
import socket
from urllib.parse import urlsplit, urlunsplit

EMULATOR = os.environ.get("SF_EMU")
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def emulated(url):
    """The address at the emulator that stands for `url`."""
    # Some write https:// before the whole of an instance URL: https://http://127.0.0.1:7700/services, which requests
    # makes https://http/127.0.0.1:7700/services of.
    url = re.sub(r"^https://http:?/+", "http://", url)
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    salesforce = host.endswith((".salesforce.com", ".force.com"))
    if not (salesforce or (host in LOOPBACK and parts.scheme == "https")):
        return url
    to = urlsplit(EMULATOR)
    return urlunsplit((to.scheme, to.netloc, parts.path, parts.query, parts.fragment))


def stay_on_this_machine():
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def resolve_loopback(host, *rest, **more):
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name.lower() not in LOOPBACK:
            raise OSError(f"only this machine may be reached, not {name}")
        return resolve(host, *rest, **more)

    def connect_loopback(self, address):
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise OSError(f"only this machine may be reached, not {address[0]}")
        return connect(self, address)

    socket.getaddrinfo = resolve_loopback
    socket.socket.connect = connect_loopback


def redirect_requests():
    try:
        from requests.adapters import HTTPAdapter
    except ImportError:
        return
    send = HTTPAdapter.send

    def send_to_emulator(self, request, *rest, **more):
        request.url = emulated(request.url)
        return send(self, request, *rest, **more)

    HTTPAdapter.send = send_to_emulator


if EMULATOR:
    stay_on_this_machine()
    redirect_requests()
