"""Configurations of Transformers that must be refused: a name, the file's content, what is said after its path."""

from __future__ import annotations

CONFIGURATIONS: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "cannot be read as JSON (Expecting value: line 1 column 1 (char 0)), give a model's config.json."),
    ("binary", bytes(range(256)), "cannot be read as JSON ('utf-8' codec can't decode"),
    ("cut short", '{"hidden_size": 38', "cannot be read as JSON ("),
    ("deep", '{"a":' * 20_000, "cannot be read as JSON ("),
    ("100 MB", b" " * 100_000_000, "cannot be read as JSON ([Errno 27] Larger than 1000 kB)"),
    ("a list", "[1]", "holds no JSON object, give a model's config.json."),
    ("a text", '"vit"', "holds no JSON object"),
    ("another model", '{"model_type": "bert"}', "has the model_type 'bert', give one of vit, deit, vit_msn, ijepa."),
    ("no model", '{"model_type": ["vit"]}', "has the model_type ['vit'], give one of vit"),
    ("no size", '{"hidden_size": 0}', "has the hidden_size 0, give a whole number from 1 to 100,000."),
    ("a negative size", '{"hidden_size": -384}', "has the hidden_size -384, give a whole number"),
    ("a fraction", '{"num_hidden_layers": 1.5}', "has the num_hidden_layers 1.5, give a whole number"),
    ("true as size", '{"patch_size": true}', "has the patch_size True, give a whole number"),
    ("null as size", '{"patch_size": null}', "has the patch_size None, give a whole number"),
    ("a huge size", '{"hidden_size": 1e300}', "has the hidden_size 1e+300, give a whole number"),
    ("infinity", '{"intermediate_size": Infinity}', "has the intermediate_size inf, give a whole number"),
    ("4,000 digits", f'{{"hidden_size": {"9" * 4000}}}', "has the hidden_size 999"),
    ("larger than memory", '{"hidden_size": 98304, "num_attention_heads": 12}', "describes a network of 471,"),
    ("uneven heads", '{"num_attention_heads": 7}', "splits a hidden_size of 768 into 7 heads, choose a multiple."),
    ("patches too large", '{"patch_size": 64}', "cuts images into patches of 64x64 pixels, choose a multiple"),
    ("an activation", '{"hidden_act": "sigmoid"}', "has the hidden_act 'sigmoid', give one of gelu"),
    ("a list as activation", '{"hidden_act": [1]}', "has the hidden_act [1], give one of gelu"),
    ("all dropped", '{"hidden_dropout_prob": 1}', "has the hidden_dropout_prob 1, give a number of at least 0"),
    ("NaN", '{"layer_norm_eps": NaN}', "has the layer_norm_eps nan, give a number from 1e-12 to 1"),
    (
        "one block",
        '{"num_hidden_layers": 1}',
        "has one block, which mwt never masks, give it num_hidden_layers of 2 or",
    ),
    ("a text as flag", '{"qkv_bias": "no"}', "has the qkv_bias 'no', give true or false."),
]
