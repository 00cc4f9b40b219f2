# SPDX-License-Identifier: Apache-2.0
"""Google's gRPC and Apache's Avro against the Pub/Sub API of an emulated org, used as Salesforce's own sample uses them.

The stubs are made from the proto file while this runs. Reads the line that the example `serve` or `orgkeep emulator --json`
prints from the environment variable EMULATOR. Exits non-zero at the first difference.
"""

import importlib
import io
import json
import os
import queue
import sys
import tempfile
import threading
import time
import zipfile
from urllib.parse import urlsplit

import avro.io
import avro.schema
import grpc
import requests
from bitstring import BitArray
from grpc_tools import protoc

SAID = json.loads(os.environ["EMULATOR"])
EMULATOR = {**SAID, **(SAID.get("orgs") or [{}])[0]}
HERE = urlsplit(EMULATOR["url"])
PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto")
TOPIC = "/data/AccountChangeEvent"


def same(left, right, what):
    if left != right:
        raise AssertionError(f"{what}: {repr(left)[:2000]} is not {repr(right)[:2000]}")


def stubs():
    """The messages and the client, as grpcio-tools makes them."""
    folder = tempfile.mkdtemp()
    made = protoc.main(
        ["protoc", f"-I{PROTO}", f"--python_out={folder}", f"--grpc_python_out={folder}", "pubsub_api.proto"]
    )
    same(made, 0, "protoc")
    sys.path.insert(0, folder)
    return importlib.import_module("pubsub_api_pb2"), importlib.import_module("pubsub_api_pb2_grpc")


PB2, PB2_GRPC = stubs()
METADATA = (
    ("accesstoken", EMULATOR["access_token"]),
    ("instanceurl", EMULATOR["url"]),
    # A token begins with the org's Id.
    ("tenantid", EMULATOR.get("id") or EMULATOR["access_token"].partition("!")[0]),
)


def rest(method, path, body=None, **more):
    headers = {"Authorization": f"Bearer {EMULATOR['access_token']}", "Sforce-Call-Options": "client=sample"}
    answer = requests.request(method, f"{EMULATOR['url']}/services/data/v67.0{path}", json=body, headers=headers, **more)
    answer.raise_for_status()
    return answer.json() if answer.content else None


class Subscription:
    """Asks for events one by one, from a thread of its own, as the sample does with its semaphore."""

    def __init__(self, stub, topic, preset, replay_id=b"", count=1):
        self.asked = queue.Queue()
        self.asked.put(PB2.FetchRequest(topic_name=topic, replay_preset=preset, replay_id=replay_id, num_requested=count))
        self.answers = stub.Subscribe(iter(self.asked.get, None), metadata=METADATA)

    def events(self, count):
        found = []
        while len(found) < count:
            answer = next(self.answers)
            found.extend(answer.events)
            if answer.pending_num_requested == 0 and len(found) < count:
                self.asked.put(PB2.FetchRequest(num_requested=1))
        return found

    def ask(self, count):
        self.asked.put(PB2.FetchRequest(num_requested=count))

    def end(self):
        self.asked.put(None)


class Reader:
    def __init__(self, stub):
        self.stub = stub
        self.schemas = {}

    def schema(self, schema_id):
        if schema_id not in self.schemas:
            answer = self.stub.GetSchema(PB2.SchemaRequest(schema_id=schema_id), metadata=METADATA)
            same(answer.schema_id, schema_id, "the schema asked for")
            self.schemas[schema_id] = avro.schema.parse(answer.schema_json)
        return self.schemas[schema_id]

    def read(self, event):
        bytes_left = io.BytesIO(event.event.payload)
        value = avro.io.DatumReader(self.schema(event.event.schema_id)).read(avro.io.BinaryDecoder(bytes_left))
        same(bytes_left.read(), b"", "bytes behind the event")
        return value

    def names(self, event, bitmaps):
        """The fields that bitmaps stand for, decoded bit by bit from the end."""
        fields = self.schema(event.event.schema_id).fields
        found = []
        for bitmap in bitmaps:
            parent, _, bits = bitmap.rpartition("-")
            own, prefix = fields, ""
            if parent:
                prefix = fields[int(parent)].name + "."
                own = fields[int(parent)].type.schemas[-1].fields
            bits = BitArray(hex=bits[2:]).bin[::-1]
            found += [prefix + own[at].name for at, bit in enumerate(bits) if bit == "1"]
        return found


def changes(stub, reader):
    topic = stub.GetTopic(PB2.TopicRequest(topic_name=TOPIC), metadata=METADATA)
    same((topic.can_subscribe, topic.can_publish), (True, False), "what the topic allows")
    subscription = Subscription(stub, TOPIC, PB2.ReplayPreset.LATEST)
    time.sleep(0.5)
    account = rest("POST", "/sobjects/Account", {"Name": "Grüße", "BillingCity": "Ulm", "AnnualRevenue": 1.5e9})["id"]
    (made,) = subscription.events(1)
    value = reader.read(made)
    header = value["ChangeEventHeader"]
    same((header["changeType"], header["recordIds"]), ("CREATE", [account]), "the first event")
    same((value["Name"], value["AnnualRevenue"]), ("Grüße", 1.5e9), "its values")
    same(value["BillingAddress"]["City"], "Ulm", "its address")
    same(header["changeOrigin"], "com/salesforce/api/rest/67.0;client=sample", "its origin")
    subscription.ask(2)
    rest("PATCH", f"/sobjects/Account/{account}", {"BillingCity": None, "Industry": "Energy"})
    rest("DELETE", f"/sobjects/Account/{account}")
    changed, deleted = subscription.events(2)
    value = reader.read(changed)
    header = value["ChangeEventHeader"]
    names = reader.names(changed, header["changedFields"])
    same(names, ["Industry", "LastModifiedDate", "BillingAddress.City"], "what changed")
    same(reader.names(changed, header["nulledFields"]), ["BillingAddress.City"], "what became empty")
    same((value["Industry"], value["Name"]), ("Energy", None), "values that changed and did not")
    same(reader.read(deleted)["ChangeEventHeader"]["changeType"], "DELETE", "the last event")
    subscription.end()
    again = Subscription(stub, TOPIC, PB2.ReplayPreset.CUSTOM, made.replay_id, 100)
    same([event.replay_id for event in again.events(2)], [changed.replay_id, deleted.replay_id], "the replay")
    again.end()


def refusals(stub):
    def refused(call):
        try:
            call()
        except grpc.RpcError as error:
            return error.code(), dict(error.trailing_metadata()).get("error-code", "").rpartition("grpc.")[2]
        raise AssertionError("it was not refused")

    unknown = lambda: stub.GetTopic(PB2.TopicRequest(topic_name="/data/None__chn"), metadata=METADATA)
    same(refused(unknown), (grpc.StatusCode.NOT_FOUND, "topic.not.found"), "an unknown topic")
    stranger = (("accesstoken", "00D!x"),) + METADATA[1:]
    known = lambda: stub.GetTopic(PB2.TopicRequest(topic_name=TOPIC), metadata=stranger)
    same(refused(known), (grpc.StatusCode.UNAUTHENTICATED, "service.auth.error"), "a bad token")
    broken = lambda: Subscription(stub, TOPIC, PB2.ReplayPreset.CUSTOM, b"12907414").events(1)
    corrupted = (grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted")
    same(refused(broken), corrupted, "a replay id that never was")


def deploy_event():
    field = "<fields><fullName>{0}__c</fullName><label>{0}</label>{1}</fields>".format
    event = (
        '<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>Printed</label><pluralLabel>Printed</pluralLabel>'
        "<deploymentStatus>Deployed</deploymentStatus><eventType>HighVolume</eventType><publishBehavior>PublishAfterCommit"
        f"</publishBehavior>{field('Model', '<type>Text</type><length>20</length>')}"
        f"{field('Ink', '<type>Number</type><precision>5</precision><scale>2</scale>')}</CustomObject>"
    )
    package = (
        '<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>Printed__e</members><name>CustomObject</name>'
        "</types><version>67.0</version></Package>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("objects/Printed__e.object", event)
        archive.writestr("package.xml", package)
    options = json.dumps({"deployOptions": {"singlePackage": True}})
    files = {"json": (None, options, "application/json"), "file": ("deploy.zip", packed.getvalue(), "application/zip")}
    started = rest("POST", "/metadata/deployRequest", files=files)["id"]
    for _ in range(100):
        result = rest("GET", f"/metadata/deployRequest/{started}?includeDetails=true")["deployResult"]
        if result["done"]:
            return same(result["status"], "Succeeded", "the deploy")
        time.sleep(0.1)
    raise AssertionError("the deploy does not end")


def platform_events(stub, reader):
    deploy_event()
    name = "/event/Printed__e"
    topic = stub.GetTopic(PB2.TopicRequest(topic_name=name), metadata=METADATA)
    same((topic.can_subscribe, topic.can_publish), (True, True), "what the topic of events allows")
    subscription = Subscription(stub, name, PB2.ReplayPreset.LATEST, count=3)
    time.sleep(0.5)
    packed = io.BytesIO()
    values = {"CreatedDate": int(time.time()), "CreatedById": "005R0000000cw06IAA", "Model__c": "XZO-5", "Ink__c": 0.25}
    avro.io.DatumWriter(reader.schema(topic.schema_id)).write(values, avro.io.BinaryEncoder(packed))
    event = {"id": "mine", "schema_id": topic.schema_id, "payload": packed.getvalue()}
    answer = stub.Publish(PB2.PublishRequest(topic_name=name, events=[event, event]), metadata=METADATA)
    same([result.correlation_key for result in answer.results], ["mine", "mine"], "the keys of what was published")
    rest("POST", "/sobjects/Printed__e", {"Model__c": "by REST"})
    heard = subscription.events(3)
    same([reader.read(event)["Model__c"] for event in heard], ["XZO-5", "XZO-5", "by REST"], "what was heard")
    same(answer.results[1].replay_id, heard[1].replay_id, "the replay id that publishing told")
    same(reader.read(heard[0])["Ink__c"], 0.25, "a number")
    subscription.end()


def main():
    with grpc.insecure_channel(HERE.netloc) as channel:
        stub = PB2_GRPC.PubSubStub(channel)
        reader = Reader(stub)
        changes(stub, reader)
        refusals(stub)
        platform_events(stub, reader)
    print(f"gRPC {grpc.__version__} and Avro {avro.__version__}: changes, replay, refusals and platform events are as expected")


if __name__ == "__main__":
    watch = threading.Timer(120, lambda: os._exit(1))
    watch.daemon = True
    watch.start()
    main()
