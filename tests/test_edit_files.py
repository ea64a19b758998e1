import csv

import pytest

from serac_cli.edit_files import read_edit_file, write_rejects
from serac_cli.errors import InputFileError
from store import Kind


def written(tmp_path, name, content, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


def drafts(file):
    return [(row.line, row.draft.prompt, row.draft.target) for row in file.rows]


def test_cells_are_text_and_keep_leading_zeros(tmp_path):
    file = read_edit_file(written(tmp_path, "e.csv", "prompt,target\nZip of Agawam?,01001\n"))
    assert drafts(file) == [(2, "Zip of Agawam?", "01001")]


def test_numbers_in_jsonl_keep_the_form_they_have_in_the_file(tmp_path):
    file = read_edit_file(
        written(tmp_path, "e.jsonl", '{"prompt": "Price?", "target": 1.50}\n\n{"prompt": "It is so."}')
    )
    assert drafts(file) == [(1, "Price?", "1.50"), (3, "It is so.", "")]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("e.csv", ","), ("e.csv", ";"), ("e.csv", "|"), ("e.tsv", "\t")]
)
def test_the_delimiter_is_found(tmp_path, name, delimiter):
    text = delimiter.join(["prompt", "target", "tags"]) + "\n" + delimiter.join(["Who?", "Me", "a"]) + "\n"
    file = read_edit_file(written(tmp_path, name, text))
    assert drafts(file) == [(2, "Who?", "Me")]
    assert file.rows[0].draft.tags == ("a",)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    assert drafts(read_edit_file(written(tmp_path, "e.csv", "prompt,target\nA?,b\n", "utf-8-sig"))) == [
        (2, "A?", "b")
    ]


def test_columns_can_be_mapped(tmp_path):
    path = written(tmp_path, "e.csv", "question,answer\nA?,b\n")
    assert drafts(read_edit_file(path, mapping={"prompt": "question", "target": "Answer"})) == [
        (2, "A?", "b")
    ]


def test_optional_columns_are_read(tmp_path):
    text = 'prompt,target,kind,tags,note,source\nOpera,Positive,STANCE,"a; b",n,s\n'
    draft = read_edit_file(written(tmp_path, "e.csv", text)).rows[0].draft
    assert (draft.kind, draft.target, draft.tags, draft.note, draft.source) == (
        Kind.STANCE,
        "positive",
        ("a", "b"),
        "n",
        "s",
    )


def test_line_numbers_count_line_breaks_within_cells(tmp_path):
    file = read_edit_file(written(tmp_path, "e.csv", 'prompt,target\n"A\nB?",b\n,c\n'))
    assert drafts(file) == [(2, "A\nB?", "b")]
    assert [(row.line, row.reason) for row in file.bad] == [(4, "the prompt is empty")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A?,b,c", "has 3 cells, the header 2"),
        ("A?", "has 1 cells, the header 2"),
        (",b", "the prompt is empty"),
        ("x" * 1_000_000 + ",b", "1,000,000 characters"),
    ],
)
def test_a_bad_row_is_listed_with_its_line_and_reason(tmp_path, row, reason):
    file = read_edit_file(written(tmp_path, "e.csv", f"prompt,target\nGood?,yes\n{row}\n"))
    assert len(file.rows) == 1
    assert [bad.line for bad in file.bad] == [3]
    assert reason in file.bad[0].reason


@pytest.mark.parametrize(
    "line", ["not json", "[1]", '{"prompt": {"a": 1}}', '{"prompt": true}', '{"target": "x"}']
)
def test_a_bad_line_of_jsonl_is_listed(tmp_path, line):
    file = read_edit_file(written(tmp_path, "e.jsonl", f'{{"prompt": "A?", "target": "b"}}\n{line}\n'))
    assert [bad.line for bad in file.bad] == [2]


def test_a_bad_line_of_jsonl_is_whole_in_the_rejects(tmp_path):
    bad = '{"prompt":"c?","target":5,"note":{"x":1}}'
    file = read_edit_file(written(tmp_path, "e.jsonl", f'{{"prompt": "A?", "target": "b"}}\n{bad}\n'))
    write_rejects(tmp_path / "rejects.csv", file)
    with (tmp_path / "rejects.csv").open(newline="") as rejects:
        assert bad in list(csv.reader(rejects))[1]


def test_a_file_without_any_json_is_told_so(tmp_path):
    with pytest.raises(InputFileError, match="line 1: is no JSON"):
        read_edit_file(written(tmp_path, "e.jsonl", "prompt,target\nA?,b\n"))


def test_a_row_that_contradicts_an_earlier_one_is_bad(tmp_path):
    file = read_edit_file(written(tmp_path, "e.csv", "prompt,target\nA?,b\na?,c\nA?,b\n"))
    assert [row.line for row in file.rows] == [2, 4]
    assert [(bad.line, bad.reason) for bad in file.bad] == [(3, "gives the prompt of line 2 another target")]


@pytest.mark.parametrize(
    ("name", "content", "encoding", "message"),
    [
        ("e.csv", "", "utf-8", "is empty"),
        ("e.csv", "prompt,target\n", "utf-8", "has no rows"),
        ("e.csv", "question,answer\nA?,b\n", "utf-8", "has no column 'prompt'"),
        ("e.csv", "prompt\nA?\n", "utf-8", "has no column 'target'"),
        ("e.csv", "prompt,target\nCafé?,b\n", "latin-1", "is not utf-8 text .byte 0xe9 in line 2"),
        ("e.csv", 'prompt,target\n"A?,b\n', "utf-8", "line 2"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, name, content, encoding, message):
    with pytest.raises(InputFileError, match=message):
        read_edit_file(written(tmp_path, name, content, encoding))


def test_another_encoding_can_be_named(tmp_path):
    path = written(tmp_path, "e.csv", "prompt,target\nCafé?,b\n", "utf-16")
    assert drafts(read_edit_file(path, encoding="utf-16")) == [(2, "Café?", "b")]


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    with pytest.raises(InputFileError):
        read_edit_file(tmp_path / name)


def test_rejects_hold_the_bad_rows_as_they_were(tmp_path):
    file = read_edit_file(written(tmp_path, "e.csv", "prompt,target\nA?,b\n,c\nD?\n"))
    write_rejects(tmp_path / "out.csv", file)
    with (tmp_path / "out.csv").open(newline="") as source:
        rows = list(csv.reader(source))
    assert rows == [
        ["line", "reason", "prompt", "target"],
        ["3", "the prompt is empty", "", "c"],
        ["4", "has 1 cells, the header 2", "D?"],
    ]
