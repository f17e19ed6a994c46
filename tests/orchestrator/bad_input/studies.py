"""Study files that must be refused: a name, the file's content, and the beginning of what is said after the path."""

# ruff: noqa: E501 - one line each

from __future__ import annotations

HEAD = "name: broken\npairs: [{backbone: rescnn, dataset: digits, width: 0.1}]\nmethods: [standard, mwt]\n"
"""Three good lines; what is wrong is on the fourth."""


def digits(**fields: str) -> str:
    """The same with more fields, or others, of the pair."""
    pair = {"backbone": "rescnn", "dataset": "digits", **fields}
    return HEAD.replace("{backbone: rescnn, dataset: digits, width: 0.1}", f"{{{_items(pair)}}}")


def _items(fields: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in fields.items())


def laughs(levels: int) -> str:
    """Each line is nine times the line before."""
    lines = ["l0: &l0 [lol]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


STUDIES: list[tuple[str, str | bytes, str]] = [
    # files that are no study
    ("empty", "", ":1: study: the file is empty, nemo init"),
    ("only a comment", "# nothing\n", ":1: study: the file is empty"),
    ("only null", "null\n", ":1: study: should be a mapping of name, pairs, methods"),
    ("a list", "[1, 2]\n", ":1: study: should be a mapping"),
    ("a text", "vgg16 on digits\n", ":1: study: should be a mapping"),
    ("binary", bytes(range(256)), ":1: study: is no text in UTF-8, save it as such."),
    ("utf-16", "name: x\n".encode("utf-16"), ":1: study: is no text in UTF-8"),
    ("latin-1", "name: Zürich\n".encode("latin-1"), ":1: study: is no text in UTF-8"),
    ("a NUL", b"name: x\0", ":1: study: is no valid YAML, unacceptable character #x0000"),
    ("100 MB", b"a" * 100_000_000, ": cannot be read (Larger than 1000 kB), give the path of a study file."),
    # YAML
    ("unclosed", "name: x\npairs: [a\nmethods: }", ":3: study: is no valid YAML, "),
    ("a tab", HEAD + "\tseeds: [0]\n", ":4: study: is no valid YAML, found character '\\t'"),
    ("two documents", HEAD + "---\n" + HEAD, ":4: study: is no valid YAML, but found another document."),
    ("a name twice", HEAD + "seeds: [0]\nseeds: [1]\n", ":5: seeds: is given twice, remove one."),
    ("a name twice within", digits(dataset_options="{flip: true, flip: false}"), ":2: flip: is given twice"),
    ("a Python object", HEAD + "seeds: !!python/object/apply:os.getcwd []\n", ":4: study: is no valid YAML, could not"),
    ("an unknown tag", HEAD + "seeds: !seeds [0]\n", ":4: study: is no valid YAML, could not determine a constructor"),
    ("an unknown alias", HEAD + "seeds: *seeds\n", ":4: study: is no valid YAML, found undefined alias"),
    ("no timestamp", HEAD + "seeds: !!timestamp x\n", ":1: study: is no usable YAML, a value does not fit its tag."),
    ("no boolean", HEAD + "seeds: !!bool x\n", ":1: study: is no usable YAML, a value does not fit its tag."),
    ("no day", HEAD + "seeds: 2026-99-99\n", ":1: study: is no usable YAML, month must be in 1..12"),
    ("a list as a name", HEAD + "? [a, b]\n: c\n", ":4: study: is no valid YAML, found unhashable key"),
    ("billion laughs", laughs(10) + HEAD, ":1: study: is no usable YAML, it has more than 10,000 values"),
    ("laughs as options", laughs(10) + digits(dataset_options="{classes: *l9}"), ":1: study: is no usable YAML, it has"),
    ("an endless list", HEAD + "seeds: &all [*all]\n", ":1: study: is no usable YAML, it is nested more than 20 deep."),
    ("deep", HEAD + "seeds: " + "[" * 150 + "]" * 150, ":1: study: is no usable YAML, it is nested more than 20 deep."),
    ("deeper", HEAD + "seeds: " + "[" * 100_000, ":1: study: is no usable YAML, it is nested too deep."),
    ("many values", HEAD + f"seeds: {[*range(20_000)]}", ":1: study: is no usable YAML, it has more than 10,000 values"),
    # values that YAML has and a study has not
    ("a date", HEAD + "seeds: 2026-01-01\n", ":4: seeds: is a date in YAML, put it in quotes."),
    ("bytes", HEAD + "data_root: !!binary aGVsbG8=\n", ":4: data_root: is a bytes in YAML, put it in quotes."),
    ("a set", HEAD + "seeds: !!set {0, 1}\n", ":4: seeds: is a set in YAML, put it in quotes."),
    ("a date as an option", digits(dataset_options="{train_images: 2026-01-01}"), ":2: pairs[0].dataset_options.train"),
    ("a number as a name", HEAD + "5: [0]\n", ":4: 5: 5 is no name here, put it in quotes."),
    ("a number as an option", digits(dataset_options="{1: 2}"), ":2: pairs[0].dataset_options.1: 1 is no name here"),
    ("NaN", HEAD + "thresholds: [.nan]\n", ":4: thresholds[0]: should be a finite number, not nan."),
    ("NaN as an option", digits(dataset_options="{mean: [.nan, 0, 0]}"), ":2: pairs[0].dataset_options.mean[0]: should"),
    ("infinity", HEAD + "recipe: {lr: .inf}\n", ":4: recipe.lr: should be a finite number, not inf."),
    ("4,000 digits", HEAD + f"seeds: [{'9' * 4000}]\n", ":4: seeds[0]: is too large a number, choose a smaller one."),
    ("5,000 digits", HEAD + f"seeds: [{'9' * 5000}]\n", ":1: study: is no usable YAML, Exceeds the limit"),
    ("2 to the 64", HEAD + f"recipe: {{epochs: {2**64}}}\n", ":4: recipe.epochs: is too large a number"),
    ("a line in a name", HEAD + 'data_root: "a\\nb"\n', ":4: data_root: holds the character '\\n', which no name has"),
    ("an escape in a name", digits(dataset='"folder:\\e[2J"'), ":2: pairs[0].dataset: holds the character '\\x1b'"),
    ("a NUL in a path", digits(dataset='"folder:/x\\0y"'), ":2: pairs[0].dataset: holds the character '\\x00'"),
    ("half a character", digits(dataset='"folder:\\ud800"'), ":2: pairs[0].dataset: holds the character '\\ud800'"),
    ("an escape as a field", HEAD + '"\\e[2J": 1\n', ":1: study: has a name with the character '\\x1b', remove it."),
    # names and paths
    ("no name", HEAD.replace("name: broken\n", ""), ":1: name: is missing."),
    ("an empty name", HEAD.replace("broken", '""'), ":1: name: '' names a folder, use 1 to 64 letters"),
    ("a path as name", HEAD.replace("broken", "../../broken"), ":1: name: '../../broken' names a folder, use"),
    ("a root as name", HEAD.replace("broken", "/tmp/broken"), ":1: name: '/tmp/broken' names a folder"),
    ("the folder above", HEAD.replace("broken", '".."'), ":1: name: '..' names a folder"),
    ("a hidden name", HEAD.replace("broken", ".broken"), ":1: name: '.broken' names a folder"),
    ("a Unicode name", HEAD.replace("broken", "étude"), ":1: name: 'étude' names a folder, use 1 to 64 letters"),
    ("a space in a study's name", HEAD.replace("broken", "my study"), ":1: name: 'my study' names a folder, use 1 to 64"),
    ("a dollar as name", HEAD.replace("broken", "'$'"), ":1: name: '$' names a folder, use 1 to 64 letters"),
    ("an emoji as name", HEAD.replace("broken", "😀"), ":1: name: '😀' names a folder, use 1 to 64 letters"),
    ("a quoted space as name", HEAD.replace("broken", "my%20study"), ":1: name: 'my%20study' names a folder, use"),
    ("a question as name", HEAD.replace("broken", "'what?'"), ":1: name: 'what?' names a folder, use 1 to 64"),
    ("a hash as name", HEAD.replace("broken", "a#b"), ":1: name: 'a#b' names a folder, use 1 to 64 letters"),
    ("a backslash as name", HEAD.replace("broken", "'a\\b'"), ":1: name: 'a\\\\b' names a folder, use 1 to 64"),
    ("a line in a study's name", HEAD.replace("broken", '"a\\nb"'), ":1: name: holds the character '\\n', which no"),
    ("a NUL in a study's name", HEAD.replace("broken", '"a\\0b"'), ":1: name: holds the character '\\x00', which no"),
    ("an escape in an experiment", HEAD + 'tracking: {experiment: "\\e[2J"}\n', ":4: tracking.experiment: holds the"),
    ("half a character in an address", HEAD + 'tracking: {uri: "sqlite:///\\udcff"}\n', ":4: tracking.uri: holds the"),
    ("a bell in a path", HEAD + 'data_root: "/data/\\a"\n', ":4: data_root: holds the character '\\x07', which no"),
    ("odd characters in a path", digits(dataset="'folder:/none/$ %20?#é😀'"), ":2: pairs[0].dataset: dataset folder:/none/$ %20?#é😀: there is no folder /none/$ %20?#é😀; correct the path."),
    ("a line in a class", HEAD + 'subtasks: {classes: [["a\\nb", 1]]}\n', ":4: subtasks.classes[0][0]: holds the character '\\n'"),
    ("a class of dollars", HEAD + "subtasks: {classes: [['$', '$$']]}\n", ":4: subtasks.classes[0][0]: '$' is unknown, digits has"),
    ("a long name", HEAD.replace("broken", "b" * 65), ":1: name: 'bbb"),
    ("MLflow's file", HEAD.replace("broken", "mlflow.db"), ":1: name: 'mlflow.db' is where the storage folder keeps"),
    ("a number as study", HEAD.replace("broken", "5"), ":1: name: should be a valid string, not 5."),
    ("nobody's home", digits(dataset="folder:~nobody-at-all/x"), ":2: pairs[0].dataset: dataset folder:~nobody-at-all/x"),
    ("a long path", digits(dataset=f"folder:{'x' * 5000}"), ":2: pairs[0].dataset: dataset folder:xxx"),
    ("no path", digits(dataset="'folder:'"), ":2: pairs[0].dataset: 'folder:' is no data set here"),
    # types
    ("pairs as mapping", HEAD.replace("[{", "{a: {").replace("}]", "}}"), ":2: pairs: should be a valid list, not"),
    ("no pairs", HEAD.replace("[{backbone: rescnn, dataset: digits, width: 0.1}]", "[]"), ":2: pairs: is too short, give"),
    ("a pair of texts", HEAD.replace("{backbone: rescnn, dataset: digits, width: 0.1}", "rescnn"), ":2: pairs[0]: should be"),
    ("methods of lists", HEAD.replace("[standard, mwt]", "[[standard], {mwt: {}}]"), ":3: methods."),
    ("methods as text", HEAD.replace("[standard, mwt]", "mwt"), ":3: methods: should be a mapping of"),
    ("a text as number", HEAD + "recipe: {epochs: three}\n", ":4: recipe.epochs: should be a valid integer, not 'three'."),
    ("a fraction of epochs", HEAD + "recipe: {epochs: 1.5}\n", ":4: recipe.epochs: should be a valid integer, not 1.5."),
    ("yes as number", HEAD + "recipe: {epochs: yes}\n", ":4: recipe.epochs: should be a valid integer, not True."),
    ("null as list", HEAD + "seeds: null\n", ":4: seeds: should be a valid list, not None."),
    ("a list as section", HEAD + "recipe: [epochs]\n", ":4: recipe: should be a mapping of epochs"),
    ("a text as section", HEAD + "tracking: mlflow\n", ":4: tracking: should be a mapping of uri, experiment"),
    # ranges
    ("no seeds", HEAD + "seeds: []\n", ":4: seeds: is too short, give at least 1."),
    ("a seed of 33 bits", HEAD + "seeds: [4294967296]\n", ":4: seeds[0]: should be less than 4294967296, not 4294967296."),
    ("a negative seed", HEAD + "seeds: [-1]\n", ":4: seeds[0]: should be greater than or equal to 0, not -1."),
    ("a seed twice", HEAD + "seeds: [1, 1]\n", ":4: seeds[1]: 1 is given twice, remove one."),
    ("no width", digits(width="0"), ":2: pairs[0].width: should be greater than 0, not 0."),
    ("a huge width", digits(width="1e9"), ":2: pairs[0].width: 1000000000.0 is not a usable multiplier"),
    ("a threshold of 0", HEAD + "thresholds: [0]\n", ":4: thresholds[0]: should be greater than 0, not 0."),
    ("a batch of 1", HEAD + "recipe: {batch_size: 1}\n", ":4: recipe.batch_size: must be at least 2"),
    (
        "more workers at least than at all",
        HEAD + "resources: {training: {workers: 2, min_workers: 3}}\n",
        ":4: resources.training.min_workers: 3 is more than the 2 workers, give at most as many.",
    ),
    ("no workers", HEAD + "resources: {training: {workers: 0}}\n", ":4: resources.training.workers: should be greater"),
    ("negative cpus", HEAD + "resources: {subtask: {cpus: -1}}\n", ":4: resources.subtask.cpus: should be greater than 0"),
    ("a size of 1", HEAD + "subtasks: {sizes: [1]}\n", ":4: subtasks.sizes[0]: should be greater than or equal to 2"),
    ("samples of 1.5", HEAD + "subtasks: {sizes: [2], samples: 1.5}\n", ":4: subtasks.samples: should be a whole number of"),
    ("a class of 1.5", HEAD + "subtasks: {classes: [[0, 1.5]]}\n", ":4: subtasks.classes[0][1]: '1.5' is the number 1.5 in YAML, put it"),
    ("an octal class", HEAD + "subtasks: {classes: [[0, 010]]}\n", ":4: subtasks.classes[0][1]: '010' is the number 8 in YAML, put it in quotes."),
    ("a Boolean class", HEAD + "subtasks: {classes: [[0, no]]}\n", ":4: subtasks.classes[0][1]: 'no' is false in YAML, put it in quotes."),
    ("a class at a time of day", HEAD + "subtasks: {classes: [[0, 12:30]]}\n", ":4: subtasks.classes[0][1]: '12:30' is the number 750 in YAML"),
    ("a class with an underscore", HEAD + "subtasks: {classes: [[0, 1_0]]}\n", ":4: subtasks.classes[0][1]: '1_0' is the number 10 in YAML"),
    ("a class that is a date", HEAD + "subtasks: {classes: [[0, 2026-01-01]]}\n", ":4: subtasks.classes[0][1]: '2026-01-01' is a date in YAML"),
    ("a class that is nothing", HEAD + "subtasks: {classes: [[0, ~]]}\n", ":4: subtasks.classes[0][1]: '~' is nothing in YAML"),
    ("a class of a list", HEAD + "subtasks: {classes: [[0, [1]]]}\n", ":4: subtasks.classes[0][1]: should be the number or the name of a class, not [1]; put a name in quotes."),
    ("a class by number and by name", HEAD + "subtasks: {classes: [[3, '3']]}\n", ":4: subtasks.classes[0][1]: '3' is the class '3' once more, remove one."),
    ("a class that there is not", HEAD + "subtasks: {classes: [[0, '03']]}\n", ":4: subtasks.classes[0][1]: '03' is unknown, digits has 10 classes"),
    ("a column without quotes", digits(dataset="'parquet:x'", dataset_options="{label: 007}"), ":2: pairs[0].dataset_options.label: '007' is the number 7 in YAML"),
    ("class names without quotes", digits(dataset="'parquet:x'", dataset_options="{classes: [no, yes]}"), ":2: pairs[0].dataset_options.classes[0]: 'no' is false in YAML"),
    ("an image of digits", digits(dataset_options="{image: x}"), ":2: pairs[0].dataset: dataset digits: there is no option 'image'"),
    ("no samples", HEAD + "subtasks: {sizes: [2], samples: 0}\n", ":4: subtasks.samples: should be a whole number of at least 1, all or nested, not 0."),
    ("a negative weight", HEAD.replace("[standard, mwt]", "{mwt: {lambda_coh: -1}}"), ":3: methods.mwt.lambda_coh: should"),
    ("a billion points", HEAD + f"sweep: {{mwt: {{grid: {{lambda_coh: {[*range(1, 1001)]}, lambda_coup: "
     f"{[*range(1, 1001)]}, lr: {[*range(1, 1001)]}}}}}}}\n", ":4: sweep.mwt.grid: makes 1,000,000,000 points, give"),
    ("a billion measures", HEAD + f"seeds: {[*range(5000)]}\nthresholds: {[n / 5000 for n in range(1, 1001)]}\n",
     ":1: study: asks for 10,000,000 measures, give fewer seeds"),
    ("a colour of 5", digits(dataset_options="{mean: [5, 5, 5]}"), ":2: pairs[0].dataset: dataset digits: mean must be"),
    ("a wide border", digits(dataset_options="{padding: 1000000000}"), ":2: pairs[0].dataset: dataset digits: padding"),
    # cnnsplitter, teachers
    ("half a generation", HEAD.replace("mwt]", "{cnnsplitter: {}}]"), ":3: methods."),
    ("no generations", HEAD.replace("[standard, mwt]", "{standard: , cnnsplitter: {generations: 0}}"),
     ":3: methods.cnnsplitter.generations: should be a whole number from 1 to 1,000,000, not 0."),
    ("endless generations", HEAD.replace("[standard, mwt]", "{standard: , cnnsplitter: {generations: 1e300}}"),
     ":3: methods.cnnsplitter.generations: should be a whole number from 1 to 1,000,000, not 1e+300."),
    ("an unknown search", HEAD.replace("[standard, mwt]", "{standard: , cnnsplitter: {search: publised}}"),
     ":3: methods.cnnsplitter.search: should be 'ours' or 'published', not 'publised'."),
    ("a numbered search", HEAD.replace("[standard, mwt]", "{standard: , cnnsplitter: {search: 2}}"),
     ":3: methods.cnnsplitter.search: should be 'ours' or 'published', not 2."),
    ("a pair's unknown search", digits(methods="{cnnsplitter: {search: theirs}}").replace("mwt]", "cnnsplitter]"),
     ":2: pairs[0].methods.cnnsplitter.search: should be 'ours' or 'published', not 'theirs'."),
    ("a word for a number", HEAD.replace("[standard, mwt]", "{standard: , cnnsplitter: {images: published}}"),
     ":3: methods.cnnsplitter.images: should be a valid number, not 'published'."),
    ("a split VGG", digits(backbone="vgg16").replace("[standard, mwt]", "[standard, cnnsplitter]"),
     ":2: pairs[0].backbone: vgg16 is none that cnnsplitter applies to"),
    ("a teacher for a CNN", digits(teacher="{backbone: resnet18}"), ":2: pairs[0].teacher: rescnn has no head that learns"),
    ("a teacher's teacher", digits(backbone="deit_s", teacher="{backbone: deit_s}"), ":2: pairs[0].teacher.backbone: deit_s"),
    ("a teacher too large", digits(backbone="deit_s", image_size="16", teacher="{backbone: vgg16}"),
     ":2: pairs[0].teacher.image_size: vgg16 halves its input too often for 16x16 images"),
    ("an unknown teacher", digits(backbone="deit_s", teacher="{backbone: bert}"), ":2: pairs[0].teacher.backbone: 'bert' is no"),
    # one value for a list of it
    ("an unknown way of compensating", HEAD + "derive: {sizes: [2], methods: [random], budgets: [{flops: 0.5}], compensate: refti}\n",
     ":4: derive.compensate[0]: should be 'none' or 'refit', not 'refti'."),
    # unknown names, with a suggestion
    ("a misspelt field", HEAD + "recpie: {epochs: 1}\n", ":4: recpie: 'recpie' is no field here; did you mean 'recipe'?"),
    ("a misspelt setting", HEAD.replace("[standard, mwt]", "{mwt: {lambda_choe: 1}}"),
     ":3: methods.mwt.lambda_choe: 'lambda_choe' is no field here; did you mean 'lambda_coh'?"),
    ("a misspelt role", digits(backbone="vit_s", roles="[quary]"), ":2: pairs[0].roles[0]: 'quary' is no role here; did you"),
    ("a misspelt option", digits(dataset_options="{flop: true}"), ":2: pairs[0].dataset: dataset digits: there is no option"),
]  # fmt: skip
