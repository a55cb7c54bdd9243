package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func importJSONL(t testing.TB, r io.Reader, f Fields) (*Corpus, Import) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.arrow")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	im, err := w.JSONL(t.Context(), r, "x.jsonl", f)
	if err != nil {
		w.Abort()
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, path), im
}

func TestJSONL(t *testing.T) {
	in := `{"id": "a", "content": "first\nline “é”"}

{"content":"no id","lang":"en","n":[1,2]}
{"id":7,"content":"\u4f60\ud83d\ude00"}`
	c, im := importJSONL(t, strings.NewReader(in), Fields{})
	equalDocs(t, docsOf(t, c), []Document{
		{ID: "a", Text: "first\nline “é”", Source: "x.jsonl:1"},
		{ID: "x.jsonl:3", Text: "no id", Source: "x.jsonl:3", Meta: `{"lang":"en","n":[1,2]}`},
		{ID: "7", Text: "你😀", Source: "x.jsonl:4"},
	})
	if im.Docs != 3 || im.Bad != 0 || im.Bytes != int64(len("first\nline “é”no id你😀")) {
		t.Errorf("%+v", im)
	}
}

func TestJSONLNamedFields(t *testing.T) {
	c, im := importJSONL(t, strings.NewReader(`{"k":{"id":"z"},"body":"t"}`), Fields{ID: "k.id", Text: "body"})
	equalDocs(t, docsOf(t, c), []Document{{ID: "z", Text: "t", Source: "x.jsonl:1", Meta: `{"k":{"id":"z"}}`}})
	if im.Bad != 0 {
		t.Errorf("%+v", im)
	}
}

func TestJSONLBadLinesAreCountedAndNamed(t *testing.T) {
	in := "{\"content\":\"ok\"}\n{broken\n[1]\n{\"body\":\"x\"}\n{\"content\":5}\n{\"content\":\"ok too\"}\n"
	c, im := importJSONL(t, strings.NewReader(in), Fields{})
	if c.NumDocs() != 2 || im.Docs != 2 || im.Bad != 4 || len(im.First) != 4 {
		t.Fatalf("%d documents, %+v", c.NumDocs(), im)
	}
	for i, want := range []struct{ source, reason string }{
		{"x.jsonl:2", "not JSON"}, {"x.jsonl:3", "array"}, {"x.jsonl:4", "the record has body"}, {"x.jsonl:5", "number"},
	} {
		if got := im.First[i]; got.Source != want.source || !strings.Contains(got.Reason, want.reason) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// Blocks end in the middle of lines; however they fall, the documents and line numbers are the same.
func TestJSONLAcrossBlocks(t *testing.T) {
	var in bytes.Buffer
	var want []Document
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 1; in.Len() < 3*blockBytes; i++ {
		text := strings.Repeat("长 text\n", rng.IntN(200_000))
		fmt.Fprintf(&in, `{"id":"%d","content":%s}`+"\n", i, must(json.Marshal(text)))
		want = append(want, Document{ID: fmt.Sprint(i), Text: text, Source: fmt.Sprintf("x.jsonl:%d", i)})
	}
	c, _ := importJSONL(t, &in, Fields{})
	equalDocs(t, docsOf(t, c), want)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestJSONLReaderError(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "c.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	broken := errors.New("disk on fire")
	_, err = w.JSONL(t.Context(), io.MultiReader(strings.NewReader("{\"content\":\"x\"}\n"), iotest.ErrReader(broken)), "x", Fields{})
	if !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
}

func TestJSONLCancelled(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "c.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	ctx, cancel := context.WithCancel(t.Context())
	endless := readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, strings.Repeat("{\"content\":\"x\"}\n", len(p)/16)), nil
	})
	if _, err := w.JSONL(ctx, endless, "x", Fields{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A record may be a text alone, unless fields are named.
func TestTexts(t *testing.T) {
	if d, reason := newRecordParser(Fields{}).parse([]byte(`"caf\u00e9"`)); reason != "" || d.Text != "café" {
		t.Errorf("%+v, %s", d, reason)
	}
	for _, f := range []Fields{{Text: "body"}, {ID: "key"}} {
		if _, reason := newRecordParser(f).parse([]byte(`"x"`)); reason != "a JSON string where an object was expected" {
			t.Errorf("with %+v: %q", f, reason)
		}
	}
}

// What the parser accepts, encoding/json accepts too, with the same text.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a","content":"x\u00e9\n","meta":{"a":[1,null]}}`))
	f.Add([]byte(`{"id":1e3,"text":"","":""}`))
	f.Add([]byte(`[{"content":"x"}]`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, reason := newRecordParser(Fields{}).parse(line)
		if reason != "" {
			return
		}
		if d.Meta != "" && json.Valid(line) && !json.Valid([]byte(d.Meta)) {
			t.Errorf("meta is not JSON: %s", d.Meta)
		}
		var std map[string]any
		if json.Unmarshal(line, &std) == nil && !strings.Contains(string(line), `\ud`) && !strings.Contains(string(line), `\uD`) {
			_, text := lookupStd(std)
			if got := strings.ToValidUTF8(d.Text, "\uFFFD"); strings.ToValidUTF8(text, "\uFFFD") != got && !hasDuplicateKeys(line) {
				t.Errorf("text %q, encoding/json reads %q", got, text)
			}
		}
	})
}

func lookupStd(m map[string]any) (string, string) {
	for _, name := range usualTexts {
		if s, ok := m[name].(string); ok {
			return name, s
		}
	}
	return "", ""
}

// hasDuplicateKeys reports whether a key may occur twice: encoding/json keeps the last value, this reader the first.
func hasDuplicateKeys(line []byte) bool {
	for _, name := range usualTexts {
		if bytes.Count(bytes.ToLower(line), []byte(name)) > 1 || bytes.Contains(line, []byte(`\u`)) {
			return true
		}
	}
	return false
}

// BenchmarkJSONL imports WanJuan-shaped lines into an Arrow file, page cache to page cache.
func BenchmarkJSONL(b *testing.B) {
	var in bytes.Buffer
	text := strings.Repeat("The quick brown fox jumps over the lazy dog, said 《论语》.\n", 30)
	for i := 0; in.Len() < 256<<20; i++ {
		fmt.Fprintf(&in, `{"id":"BkQ%08d","content":%s}`+"\n", i, must(json.Marshal(text)))
	}
	dir := b.TempDir()
	b.SetBytes(int64(in.Len()))
	for b.Loop() {
		w, err := Create(filepath.Join(dir, "c.arrow"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.JSONL(b.Context(), bytes.NewReader(in.Bytes()), "x", Fields{}); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
