"""A BERT with random weights, as Hugging Face keeps one: tiny_model.py FOLDER [--hidden N] [--layers N] [--inner N] [--positions N] [--longest N]
[--words WORD…]

64 dimensions and two heads, or a head for every 32; the mean of the tokens as a unit vector. WORDs follow [PAD] to [MASK] in its vocabulary;
without any, letters and digits do, at a word's beginning and inside. The same arguments give the same bytes.
SPDX-License-Identifier: MIT
"""
import argparse
import array
import json
import pathlib
import random
import string
import struct

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
for name, default in ("hidden", 64), ("layers", 1), ("inner", 64), ("positions", 64), ("longest", 0):
    parser.add_argument("--" + name, type=int, default=default)
parser.add_argument("--words", nargs="*")
args = parser.parse_args()
HIDDEN = args.hidden
words = args.words or [mark + letter for letter in string.ascii_lowercase + string.digits for mark in ("", "##")]
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
header, data = {}, bytearray()
random.seed(1)


def tensor(name, *shape):
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    values = array.array("f", (random.uniform(-1, 1) for _ in range(count))).tobytes()
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
    data.extend(values)


def pair(name, *shape):
    tensor(name + ".weight", *shape)
    tensor(name + ".bias", shape[0])


for name, rows in ("word", len(vocabulary)), ("position", args.positions), ("token_type", 2):
    tensor(f"embeddings.{name}_embeddings.weight", rows, HIDDEN)
pair("embeddings.LayerNorm", HIDDEN)
for i in range(args.layers):
    for name, shape in (("attention.self.query", (HIDDEN, HIDDEN)), ("attention.self.key", (HIDDEN, HIDDEN)),
                        ("attention.self.value", (HIDDEN, HIDDEN)), ("attention.output.dense", (HIDDEN, HIDDEN)),
                        ("attention.output.LayerNorm", (HIDDEN,)), ("intermediate.dense", (args.inner, HIDDEN)),
                        ("output.dense", (HIDDEN, args.inner)), ("output.LayerNorm", (HIDDEN,))):
        pair(f"encoder.layer.{i}.{name}", *shape)
head = json.dumps(header).encode()
config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "vocab_size": len(vocabulary), "hidden_size": HIDDEN,
          "num_hidden_layers": args.layers, "num_attention_heads": HIDDEN // 32, "intermediate_size": args.inner,
          "max_position_embeddings": args.positions, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
modules = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
           for i, (path, kind) in enumerate((("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")))]
(args.folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
for name, value in {
    "model.safetensors": struct.pack("<Q", len(head)) + head + bytes(data),
    "vocab.txt": "".join(word + "\n" for word in vocabulary).encode(),
    "config.json": config,
    "modules.json": modules,
    "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
                              "pooling_mode_max_tokens": False},
    "tokenizer_config.json": {"do_lower_case": True},
    "sentence_bert_config.json": {"max_seq_length": args.longest or args.positions, "do_lower_case": False},
}.items():
    (args.folder / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
