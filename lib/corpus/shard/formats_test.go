package shard

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"quire/lib/corpus"
)

func seq(docs ...Tokens) iter.Seq2[Tokens, error] {
	return func(yield func(Tokens, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// collect returns documents without their ids, and what was said of broken ones; other errors are fatal.
func collect(t testing.TB, docs iter.Seq2[Tokens, error]) (out []Tokens, bad []string) {
	t.Helper()
	for d, err := range docs {
		var b *corpus.BadRecord
		if errors.As(err, &b) {
			bad = append(bad, filepath.Base(b.Source)+": "+b.Reason)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Tokens{IDs: slices.Clone(d.IDs), Loss: slices.Clone(d.Loss)})
	}
	return out, bad
}

var twoDocs = []Tokens{{IDs: []uint32{67577, 69095, 1}}, {IDs: []uint32{0, 5}, Loss: []bool{true, false}}}

// TestInternEvoBytes checks the files that InternEvo's tools/tokenizer.py makes: json.dumps lines and np.save of int32 (offset, length).
func TestInternEvoBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.bin")
	if err := WriteInternEvo(path, seq(twoDocs...)); err != nil {
		t.Fatal(err)
	}
	all := files(t, filepath.Dir(path))
	if got, want := string(all["a.bin"]), "{\"tokens\": [67577, 69095, 1]}\n{\"tokens\": [0, -5]}\n"; got != want {
		t.Errorf("a.bin %q, want %q", got, want)
	}
	header := "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }"
	want := "\x93NUMPY\x01\x00\x76\x00" + header + strings.Repeat(" ", 117-len(header)) + "\n" +
		"\x00\x00\x00\x00\x03\x00\x00\x00\x1e\x00\x00\x00\x02\x00\x00\x00"
	if got := string(all["a.bin.meta"]); got != want {
		t.Errorf("a.bin.meta %q, want %q", got, want)
	}
	if got, bad := collect(t, ReadInternEvo(path)); !reflect.DeepEqual(got, twoDocs) || bad != nil {
		t.Errorf("read back %v %v", got, bad)
	}
}

func TestInternEvoMeta(t *testing.T) {
	big := [][2]int64{{0, 3}, {1 << 33, 4}}
	if got, err := parseMeta(appendMeta(nil, big)); err != nil || !reflect.DeepEqual(got, big) {
		t.Errorf("offsets above 2 GiB come back as %v, error %v", got, err)
	}
	three := "\x93NUMPY\x01\x00\x46\x00{'descr': '<i8', 'fortran_order': False, 'shape': (1, 3), }          \n" +
		"\x07\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00"
	if got, err := parseMeta([]byte(three)); err != nil || !reflect.DeepEqual(got, [][2]int64{{7, 9}}) {
		t.Errorf("three columns come back as %v, error %v", got, err)
	}
}

func TestInternEvoBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.bin")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.bin", "{\"tokens\": [1, 2]}\nnot json\n{\"ids\": [1]}\n{\"tokens\": [1, \"x\"]}\n{\"tokens\": [3]}")
	got, bad := collect(t, ReadInternEvo(path))
	if want := []Tokens{{IDs: []uint32{1, 2}}, {IDs: []uint32{3}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if want := []string{"a.bin:2: not JSON", `a.bin:3: no list "tokens"`, `a.bin:4: token 1 is "x", no id`}; len(bad) != 3 ||
		!strings.HasPrefix(bad[0], want[0]) || bad[1] != want[1] || bad[2] != want[2] {
		t.Errorf("broken lines %q, want %q", bad, want)
	}
	write("a.bin", "{\"tokens\": [1, 2]}\n{\"tokens\": [3]}\n")
	for _, meta := range [][][2]int64{{{0, 2}}, {{0, 2}, {18, 1}}, {{0, 2}, {19, 2}}, {{0, 2}, {19, 1}, {40, 1}}} {
		write("a.bin.meta", string(appendMeta(nil, meta)))
		var last error
		for _, err := range ReadInternEvo(path) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), "make the files again") {
			t.Errorf(".meta %v: error %v", meta, last)
		}
	}
	if err := WriteInternEvo(path, seq(Tokens{IDs: []uint32{0}, Loss: []bool{false}})); err == nil {
		t.Error("token 0 without loss was written")
	}
}

// TestDatatroveBytes checks the files that datatrove's TokenizedFile makes.
func TestDatatroveBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ds")
	if err := WriteDatatrove(path, Options{VocabSize: 92544, Meta: map[string]string{"tokenizer": "internlm2"}}, seq(twoDocs...)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a.ds":          "\xf9\x07\x01\x00\xe7\x0d\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00",
		"a.ds.index":    "\x03\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00",
		"a.ds.loss":     "\x01\x01\x01\x01\x00",
		"a.ds.metadata": "internlm2|4\n5\n5.00 T",
	}
	got := files(t, filepath.Dir(path))
	if len(got) != len(want) {
		t.Errorf("files %v", got)
	}
	for name, text := range want {
		if string(got[name]) != text {
			t.Errorf("%s %q, want %q", name, got[name], text)
		}
	}
	if got, _ := collect(t, ReadDatatrove(path)); !reflect.DeepEqual(got, twoDocs) {
		t.Errorf("read back %v", got)
	}
	narrow := filepath.Join(t.TempDir(), "b.ds")
	if err := WriteDatatrove(narrow, Options{VocabSize: 50257}, seq(Tokens{IDs: []uint32{50256}}, Tokens{}, Tokens{IDs: []uint32{1, 2}})); err != nil {
		t.Fatal(err)
	}
	all := files(t, filepath.Dir(narrow))
	if string(all["b.ds"]) != "\x50\xc4\x01\x00\x02\x00" || all["b.ds.loss"] != nil {
		t.Errorf("two bytes a token: %q, loss %q", all["b.ds"], all["b.ds.loss"])
	}
	for n, want := range map[int64]string{0: "0.00 T", 999: "999 T", 1500: "1.50 kT", 12_345_678: "12.3 MT", 1_234_567_890: "1.23 GT"} {
		if got := metric(n); got != want {
			t.Errorf("%d tokens: %q, want %q", n, got, want)
		}
	}
}

// TestBetweenFormats carries documents through all formats and back.
func TestBetweenFormats(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s := build(t, at("a.tok"), Options{VocabSize: 70000}, []uint32{1, 69999}, nil, []uint32{2})
	want, _ := collect(t, s.All())
	for _, step := range []error{
		WriteInternEvo(at("a.bin"), s.All()),
		WriteDatatrove(at("a.ds"), Options{}, ReadInternEvo(at("a.bin"))),
		Write(at("b.tok"), Options{VocabSize: 70000}, ReadDatatrove(at("a.ds"))),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	b, err := Open(at("b.tok"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, _ := collect(t, b.All()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("came back as %v, want %v", got, want)
	}
	if err := Write(at("c.tok"), Options{}, seq(twoDocs...)); err == nil || !strings.Contains(err.Error(), "no targets") {
		t.Errorf("a shard of documents with a mask: error %v", err)
	}
	if _, err := os.Stat(at("c.tok")); err == nil {
		t.Error("the refused shard is there")
	}
}

func FuzzInternEvo(f *testing.F) {
	f.Add([]byte("{\"tokens\": [1, -2]}\n{}\n"), appendMeta(nil, [][2]int64{{0, 2}}))
	f.Add([]byte("{\"tokens\": [4294967296, 1.5, null]}"), []byte("\x93NUMPY\x02\x00\x00\x00\x00\x00"))
	path := filepath.Join(f.TempDir(), "a.bin")
	f.Fuzz(func(t *testing.T, bin, meta []byte) {
		if err := os.WriteFile(path, bin, 0o644); err != nil {
			t.Fatal(err)
		}
		if entries, err := parseMeta(meta); err == nil && len(entries) > len(meta) {
			t.Fatalf("%d entries of %d bytes", len(entries), len(meta))
		}
		for d := range ReadInternEvo(path) {
			if d.Loss != nil && len(d.Loss) != len(d.IDs) {
				t.Fatalf("%d tokens with a mask of %d", len(d.IDs), len(d.Loss))
			}
		}
	})
}

func FuzzDatatrove(f *testing.F) {
	f.Add([]byte("\x01\x00\x02\x00"), []byte("\x02\x00\x00\x00\x00\x00\x00\x00"), []byte("\x01\x00"))
	f.Add([]byte("\x01\x00\x02\x00"), []byte("\x01\x00\x00\x00\x00\x00\x00\x00"), []byte("\x01"))
	f.Fuzz(func(t *testing.T, tokens, index, loss []byte) {
		n := 0
		err := eachDatatrove("x", tokens, index, loss, func(d Tokens, err error) bool { n += len(d.IDs); return err == nil })
		if err == nil && n != len(tokens)/2 && n != len(tokens)/4 {
			t.Fatalf("%d tokens of %d bytes", n, len(tokens))
		}
	})
}
