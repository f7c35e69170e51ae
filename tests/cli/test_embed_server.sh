#!/usr/bin/env bash
# test_embed_server.sh – leann embed-server from the outside: a small random model, a client that speaks ZeroMQ's wire protocol by hand, health
# and metrics, LEANN's protocol, one server behind another, signals, wrong usage.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/outside.sh"
servers=()
trap 'for s in "${servers[@]}"; do kill -9 "$s" 2>/dev/null; done; tidy' EXIT
limit=(timeout 60)
# As in tests/unit/server_fake.h: libzmq hands messages on by atomics that ThreadSanitizer does not see.
printf '%s\n' called_from_lib:libzmq.so race:libzmq.so race:libstdc++.so >tsan
export TSAN_OPTIONS="suppressions=$tmp/tsan ${TSAN_OPTIONS-}"

python3 "$here/tiny_model.py" tiny --layers 2 --inner 128 --positions 20 --longest 16 --words hello world '##s' a of '!' . || exit 1

# The client: ZMTP 3.0 with the NULL mechanism, as a REQ socket. wire.py HOST:PORT FRAME… prints the frames of the answer, a line each.
cat >wire.py <<'PYTHON'
import socket, struct, sys

class Client:
    def __init__(self, where):
        host, port = where.rsplit(":", 1)
        self.s = socket.create_connection((host, int(port)), 30)
        self.s.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        self.take(64)
        self.frame(4, b"\x05READY\x0bSocket-Type\0\0\0\x03REQ")
        self.next()
    def take(self, n):
        got = b""
        while len(got) < n:
            some = self.s.recv(n - len(got))
            if not some:
                raise EOFError("the server closed the connection")
            got += some
        return got
    def frame(self, flags, body):
        size = bytes([flags, len(body)]) if len(body) < 256 else bytes([flags | 2]) + struct.pack(">Q", len(body))
        self.s.sendall(size + body)
    def next(self):
        flags = self.take(1)[0]
        return flags, self.take(struct.unpack(">Q", self.take(8))[0] if flags & 2 else self.take(1)[0])
    def ask(self, *frames):
        self.frame(1, b"")
        for i, f in enumerate(frames):
            self.frame(i + 1 < len(frames), f)
        answer, flags = [], 1
        while flags & 5: # more comes, or this was a command
            flags, body = self.next()
            if not flags & 4:
                answer.append(body)
        return answer[1:]

if __name__ == "__main__":
    for f in Client(sys.argv[1]).ask(*(a.encode() for a in sys.argv[2:])):
        print(f.decode("utf-8", "replace"))
PYTHON

# serve NAME OPTION…: starts a server; its lines are in NAME.out, its process in $pid, its addresses in $at and $http.
serve() {
    local name=$1
    shift
    "$leann" embed-server --port 0 --http-port 0 "$@" >"$name.out" 2>"$name.err" &
    pid=$!
    servers+=("$pid")
    for _ in $(seq 300); do
        [ "$(wc -l <"$name.out")" -ge 2 ] && break
        kill -0 "$pid" 2>/dev/null || { say "$name did not start: $(cat "$name.err")"; exit 1; }
        sleep 0.1
    done
    at=$(sed -n 's|^tcp://\([^ ]*\): .*|\1|p' "$name.out")
    http=$(sed -n 's|^http://\([^ ]*\): .*|\1|p' "$name.out")
    [ -n "$at" ] && [ -n "$http" ] || { say "$name printed: $(cat "$name.out")"; exit 1; }
}
get() { # ADDRESS PATH: what HTTP answers
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
    cat <&3
    exec 3>&-
}
# stop SIGNAL NAME: ends the server with exit code 0
stop() {
    kill -"$1" "$pid"
    wait "$pid"
    local code=$?
    [ $code = 0 ] || say "$2 ended with $code after SIG$1: $(cat "$2.err")"
    grep -q 'every accepted request was answered' "$2.err" || say "$2 said: $(cat "$2.err")"
}

# ---- questions and answers
serve first --model tiny/
first=$at first_pid=$pid first_http=$http
grep -q '^tcp://127.0.0.1:[0-9]*: tiny, dimension 64, identity [0-9a-f]\{64\}$' first.out || say "first line: $(head -1 first.out)"
expect 0 '"model": "tiny"' python3 wire.py "$first" '{"ask": "about"}'
expect 0 '"max_tokens": 16' python3 wire.py "$first" '{"ask": "about"}'
expect 0 '"tokens": [2, 3]' python3 wire.py "$first" '{"ask": "count", "texts": ["hello world", "a hellos"]}'
expect 0 '"kind": "invalid"' python3 wire.py "$first" '{"text": ["hello"]}'
expect 0 "did you mean 'texts'" python3 wire.py "$first" '{"text": ["hello"]}'
expect 0 '"kind": "malformed"' python3 wire.py "$first" 'hello'
cat >check.py <<'PYTHON'
import json, struct, sys
from wire import Client
c = Client(sys.argv[1])
texts = ["hello world", "a world of hellos!", "hello"]
numbers = json.loads(c.ask(json.dumps({"texts": texts}).encode())[0])
assert numbers["dimension"] == 64 and len(numbers["vectors"]) == 3 and len(numbers["identity"]) == 64
for x in numbers["vectors"]:
    assert abs(sum(v * v for v in x) - 1) < 1e-5
raw = [t.encode() for t in texts]
head, frame = c.ask(json.dumps({"lengths": [len(r) for r in raw], "vectors": "frame"}).encode(), b"".join(raw))
floats = struct.unpack("<192f", frame)
assert "vectors" not in json.loads(head) and list(floats) == [struct.unpack("<f", struct.pack("<f", v))[0] for x in numbers["vectors"] for v in x]
alone = json.loads(c.ask(json.dumps({"texts": texts[2:]}).encode())[0])
assert alone["vectors"][0] == numbers["vectors"][2] # the same bits in any company
if len(sys.argv) > 2: # the other server has the same
    other = json.loads(Client(sys.argv[2]).ask(json.dumps({"texts": texts}).encode())[0])
    assert other == numbers
print("as it should be")
PYTHON
expect 0 "as it should be" python3 check.py "$first"

# ---- over HTTP
get "$http" /health >health
grep -q '200 OK' health && grep -q '"status": "ok"' health && grep -q '"model": "tiny"' health || say "health: $(cat health)"
sed '1,/^\r$/d' health | python3 -c 'import json, sys; h = json.load(sys.stdin); assert h["dimension"] == 64 and h["queue"]["open"] == 0' || say "health is no JSON"
get "$http" /metrics >metrics
for line in 'leann_embed_info{model="tiny",identity=' 'leann_embed_requests_total{ask="embed"} 3' 'leann_embed_requests_total{ask="count"} 1' \
    'leann_embed_texts_total 9' 'leann_embed_errors_total{kind="malformed"} 1' 'leann_embed_errors_total{kind="invalid"} 2' \
    'leann_embed_request_seconds_count 9' 'leann_embed_queue_requests 0'; do
    grep -qF "$line" metrics || say "no line $line in: $(cat metrics)"
done

# ---- LEANN's protocol
cat >docs.leann.meta.json <<'JSON'
{"backend_name": "hnsw", "embedding_model": "tiny", "dimensions": 64, "backend_kwargs": {"distance_metric": "mips"},
 "passage_sources": [{"type": "jsonl", "path": "docs.leann.passages.jsonl", "index_path": "docs.leann.passages.idx"}]}
JSON
printf '{"id": "b", "text": "hello world", "metadata": {}}\n{"id": "a", "text": "a world", "metadata": {}}\n' >docs.leann.passages.jsonl
printf 'a\nb\nc\n' >docs.ids.txt
serve leann --model tiny --passages docs.leann.meta.json --workers 2 --name "my model"
grep -q '1 of 3 labels have no passage' leann.err || say "of passages it said: $(cat leann.err)"
cat >packed.py <<'PYTHON'
import json, struct, sys
from wire import Client
c = Client(sys.argv[1])
def floats(data): # all 32-bit floats of a message that has nothing else of five bytes
    return [v[0] for v in struct.iter_unpack(">xf", data)]
assert c.ask(b"\x91\xaf__QUERY_MODEL__") == [b"\x91\xa8my model"]
passages = json.loads(c.ask(b'{"texts": ["a world", "hello world"]}')[0])["vectors"]
text = c.ask(b"\x91\xa7a world")[0]
assert text[:4] == b"\x91\xdc\0\x40" and max(abs(a - b) for a, b in zip(floats(text[4:]), passages[0])) < 1e-7
query = b"".join(b"\xca" + struct.pack(">f", v) for v in passages[1])
answer = c.ask(b"\x92\x93\x00\x01\x02\xdc\0\x40" + query)[0]
assert answer[:2] == b"\x91\x93"
d = floats(answer[2:])
dot = sum(a * b for a, b in zip(*passages))
assert abs(d[0] + dot) < 1e-5 and abs(d[1] + 1) < 1e-5 and d[2] == 1e9, (d, dot)
answer = c.ask(b"\x91\x91\x01")[0]
assert answer[:4] == b"\x92\x92\x01\x40" and max(abs(a - b) for a, b in zip(floats(answer[7:]), passages[1])) < 1e-7
print("as it should be")
PYTHON
expect 0 "as it should be" python3 packed.py "$at"
stop TERM leann
sed -i 's/"dimensions": 64/"dimensions": 384/' docs.leann.meta.json
expect 1 "dimension 384; this encoder's have 64" "$leann" embed-server --model tiny --port 0 --no-http --passages docs.leann.meta.json
expect 1 "none.jsonl" "$leann" embed-server --model tiny --port 0 --no-http --passages none.jsonl

# ---- one server behind another: what serves here is our own client
serve behind --encoder "{zmq: {endpoint: 'tcp://$first', model: tiny}}" --name "tiny again"
expect 0 "as it should be" python3 check.py "$first" "$at"
expect 0 '"model": "tiny again"' python3 wire.py "$at" '{"ask": "about"}'
stop INT behind
expect 1 "is tiny (" "$leann" embed-server --no-http --port 0 --encoder "{zmq: {endpoint: 'tcp://$first', model: large}}"

# ---- wrong usage
expect 1 "Address already in use" "$leann" embed-server --model tiny --no-http --port "${first##*:}"
expect 1 "HTTP" "$leann" embed-server --model tiny --port 0 --http-port "${first_http##*:}"
expect 1 "cannot listen at tcp://nonsense" "$leann" embed-server --model tiny --no-http --bind nonsense
expect 1 "neither tcp" "$leann" embed-server --model tiny --no-http --endpoint udp://127.0.0.1:1
expect 2 "between 0 and 65535" "$leann" embed-server --port 70000
expect 1 "precision" "$leann" embed-server --encoder zmq --precision int8
expect 1 "did you mean 'zmq'" "$leann" embed-server --encoder zmp
expect 1 "none" "$leann" embed-server --model none --no-http --port 0
expect 1 "gave no answer, 1 times after 100 ms" "$leann" embed-server --no-http --port 0 \
    --encoder "{zmq: {endpoint: 'ipc://$tmp/nobody', timeout_ms: 100, retries: 0}}"
expect 0 '"vectors": "frame"' "$leann" embed-server --help

# ---- the end, under load: whoever asked was answered, with vectors or with a refusal
cat >load.py <<'PYTHON'
import sys, threading
from wire import Client
counts = {"vectors": 0, "stopping": 0, "closed": 0}
def run():
    c = Client(sys.argv[1])
    try:
        while True:
            answer = c.ask(b'{"texts": ["hello world", "a world of hellos!"]}')[0]
            word = "stopping" if b'"stopping"' in answer else "vectors"
            assert b'"' + word.encode() + b'"' in answer, answer
            counts[word] += 1
    except (EOFError, ConnectionError):
        counts["closed"] += 1 # it had not been read
threads = [threading.Thread(target=run) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert counts["vectors"] > 10 and counts["closed"] == 4, counts
print("answered", counts["vectors"])
PYTHON
embedded() { # requests for vectors that the first server has answered
    local n
    n=$(get "$first_http" /metrics | tr -d '\r' | sed -n 's/^leann_embed_requests_total{ask="embed"} //p')
    echo "${n:-0}"
}
before=$(embedded)
python3 load.py "$first" >load 2>&1 &
load=$!
for _ in $(seq 600); do # a minute at most
    [ "$(embedded)" -gt $((before + 200)) ] && break
    sleep 0.1
done
pid=$first_pid
stop TERM first
wait $load || say "under load: $(cat load)"

[ $failures = 0 ] && echo "embed-server: good"
exit $((failures > 0))
