"""Small texts that a small network learns, a tokenizer for them, and a BERT of four thousand weights."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, PreTrainedTokenizerFast

CLASSES = ("greet", "order", "pay")
WORDS = {
    "greet": ["hello", "good", "morning", "friend", "day"],
    "order": ["bring", "soup", "bread", "tea", "please"],
    "pay": ["bill", "card", "cash", "coin", "price"],
}
FILLERS = ["the", "a", "my", "to", "now", "and"]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*_SPECIAL, *(word for words in WORDS.values() for word in words), *FILLERS]
SIZES: dict[str, dict[str, Any]] = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "roberta": {
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24},
        "type_vocab_size": 1,
    },
    "electra": {
        **{"embedding_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
        "intermediate_size": 24,
    },
    "mpnet": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24},
    "deberta-v2": {
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24},
        **{"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8},
    },
}
"""By `model_type` what makes it small."""


def write_network(folder: Path, kind: str = "bert", *, vocabulary: Sequence[str] = VOCABULARY, **fields: Any) -> Path:
    """A folder as `save_pretrained` leaves it, without weights: a configuration and a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    longest = {"vocab_size": len(VOCABULARY), "max_position_embeddings": 40, "pad_token_id": 0}
    if kind in ("roberta", "mpnet"):
        longest["pad_token_id"] = 1  # positions begin behind it
    AutoConfig.for_model(kind, **{**longest, **SIZES[kind], **fields}).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    second = "$B [SEP]" if kind in ("roberta", "mpnet") else "$B:1 [SEP]:1"  # these tell no parts apart
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=f"[CLS] $A [SEP] {second}", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(6)  # as the files of sentence networks ask for, and nobody wants here
    tokenizer.enable_padding(length=6)
    named = {f"{name.strip('[]').lower()}_token": name for name in _SPECIAL}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    return folder


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts of 2 to 9 words and their classes, of each class alike many."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        name = CLASSES[number % len(CLASSES)]
        words = draw.choices(WORDS[name], k=draw.randint(1, 3)) + draw.choices(FILLERS, k=draw.randint(1, 6))
        draw.shuffle(words)
        found.append((" ".join(words), name))
    return found


def pairs(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Pairs of texts, and whether the second one is of the first one's class."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        first, other = draw.sample(CLASSES, 2)
        same = number % 2 == 0
        texts = [" ".join(draw.choices(WORDS[name], k=3)) for name in (first, first if same else other)]
        found.append((*texts, "same" if same else "other"))
    return found


def write_pairs(folder: Path, train: int = 60, test: int = 20) -> Path:
    """A data set of pairs; one text of it is longer than any network of these reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", pairs(train)), ("test", pairs(test, seed=1))):
        first, second, names = (list(column) for column in zip(*rows, strict=True))
        if part == "train":
            first[0] = "hello " * 5_000 + first[0]
        pq.write_table(pa.table({"text": first, "text_pair": second, "label": names}), folder / f"{part}.parquet")
    return folder


def write_texts(folder: Path, kind: str = "parquet", train: int = 60, test: int = 30) -> Path:
    """A data set in one of the forms that are read: names in the schema, in a column, or numbers and `classes.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", sentences(train)), ("test", sentences(test, seed=1))):
        texts, names = zip(*rows, strict=True)
        if kind == "parquet":
            numbers = [CLASSES.index(name) for name in names]
            features = {"text": {"_type": "Value"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}
            told = {"huggingface": json.dumps({"info": {"features": features}})}
            table = pa.table({"text": list(texts), "label": numbers}).replace_schema_metadata(told)
            pq.write_table(
                table, folder / "train-00000-of-00001.parquet" if part == "train" else folder / "test.parquet"
            )
        elif kind == "csv":
            with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("text", "label"), *rows])
        else:
            lines = [json.dumps({"text": text, "label": CLASSES.index(name)}) for text, name in rows]
            (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
            (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return folder
