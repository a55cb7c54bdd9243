package shard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// build writes documents of the given tokens with ids d0, d1 ….
func build(t testing.TB, path string, o Options, docs ...[]uint32) *Shard {
	t.Helper()
	w, err := Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, ids := range docs {
		if err := w.Append(fmt.Sprintf("d%d", i), ids); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the shard is there before Close")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func random(r *rand.Rand, docs, vocab int) [][]uint32 {
	out := make([][]uint32, docs)
	for i := range out {
		out[i] = make([]uint32, r.IntN(20)) // some of them empty
		for k := range out[i] {
			out[i][k] = uint32(r.IntN(vocab))
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ docs, vocab, width int }{
		{0, 0, 4}, {1, 10, 2}, {100, 1 << 16, 2}, {100, 1<<16 + 1, 4}, {1000, 92544, 4}, {100, 0, 4},
	} {
		vocab := c.vocab
		if vocab == 0 {
			vocab = 1 << 31
		}
		docs := random(r, c.docs, vocab)
		s := build(t, filepath.Join(t.TempDir(), "a.tok"), Options{VocabSize: c.vocab, Meta: map[string]string{"tokenizer": "x"}}, docs...)
		if s.Width() != c.width || s.Docs() != c.docs || s.Meta()["tokenizer"] != "x" {
			t.Errorf("vocabulary %d: width %d, %d documents, meta %v", c.vocab, s.Width(), s.Docs(), s.Meta())
		}
		if text := fmt.Sprint(s.MIMEBundle()["text/plain"]); !strings.Contains(text, fmt.Sprintf("%d documents", c.docs)) || !strings.Contains(text, "tokenizer x") {
			t.Errorf("shown as %q", text)
		}
		all := make([]uint32, s.Tokens())
		s.Read(all, 0)
		if !slices.Equal(all, slices.Concat(docs...)) {
			t.Errorf("vocabulary %d: Read of all differs", c.vocab)
		}
		for i, want := range docs {
			start, end := s.Doc(i)
			if got := s.Append(nil, i); !slices.Equal(got, want) || !slices.Equal(all[start:end], want) || s.ID(i) != fmt.Sprintf("d%d", i) {
				t.Errorf("vocabulary %d: document %d (%q) is %v, want %v", c.vocab, i, s.ID(i), got, want)
			}
		}
		if err := s.Verify(); err != nil {
			t.Error(err)
		}
	}
}

func TestTokenOutsideVocabulary(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "a.tok"), Options{VocabSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Append("doc", []uint32{99, 100}); err == nil || !strings.Contains(err.Error(), `"doc": token 1 is 100`) {
		t.Errorf("error %v", err)
	}
	if w.Docs() != 0 || w.Tokens() != 0 {
		t.Errorf("the refused document is counted: %d documents, %d tokens", w.Docs(), w.Tokens())
	}
}

func TestHash(t *testing.T) {
	dir := t.TempDir()
	o := Options{VocabSize: 10, Meta: map[string]string{"b": "1", "a": "2"}}
	a := build(t, filepath.Join(dir, "a"), o, []uint32{1, 2}, []uint32{3})
	if b := build(t, filepath.Join(dir, "b"), o, []uint32{1, 2}, []uint32{3}); a.Hash() != b.Hash() {
		t.Error("equal content, other hash")
	}
	o.Meta = map[string]string{"a": "2"}
	for name, other := range map[string]*Shard{
		"other meta":   build(t, filepath.Join(dir, "c"), o, []uint32{1, 2}, []uint32{3}),
		"other cut":    build(t, filepath.Join(dir, "d"), Options{VocabSize: 10, Meta: a.Meta()}, []uint32{1}, []uint32{2, 3}),
		"other tokens": build(t, filepath.Join(dir, "e"), Options{VocabSize: 10, Meta: a.Meta()}, []uint32{1, 2}, []uint32{4}),
	} {
		if a.Hash() == other.Hash() {
			t.Errorf("%s, same hash", name)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	raw[headerSize] ^= 1
	s, err := openBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a flipped bit: Verify says %v", err)
	}
}

// TestDamage opens every truncation of a small shard, and one that grew.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tok")
	build(t, path, Options{VocabSize: 10}, []uint32{1, 2, 3}, nil, []uint32{4})
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if err := os.WriteFile(path, raw[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("cut to %d of %d bytes: error %v", n, len(raw), err)
		}
		if n >= headerSize {
			if _, err := Open(path); !strings.Contains(err.Error(), fmt.Sprintf("%d bytes where the header announces %d: the file was cut off", n, len(raw))) {
				t.Fatalf("cut to %d of %d bytes: error %v", n, len(raw), err)
			}
		}
	}
	if _, err := openBytes(append(raw, 0)); err == nil {
		t.Error("a byte too many is no error")
	}
	back := bytes.Clone(raw) // the second document ends before the first
	binary.LittleEndian.PutUint64(back[headerSize+8+8:], 2)
	if _, err := openBytes(back); err == nil || !strings.Contains(err.Error(), "entry 1 goes back from 3 to 2") {
		t.Errorf("an index that goes back: error %v", err)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "a.tok"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.Append("a", []uint32{1})
	w.Abort()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzOpen(f *testing.F) {
	for i, docs := range [][][]uint32{nil, {{1, 2, 3}, {}, {4}}, {{70000}}} {
		path := filepath.Join(f.TempDir(), "seed")
		build(f, path, Options{VocabSize: []int{0, 100, 0}[i], Meta: map[string]string{"k": "v"}}, docs...)
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := openBytes(data)
		if err != nil {
			return
		}
		var total int64
		for i := range s.Docs() {
			s.ID(i)
			total += int64(len(s.Append(nil, i)))
		}
		if total != s.Tokens() {
			t.Errorf("documents hold %d tokens, the shard %d", total, s.Tokens())
		}
		s.Verify()
	})
}

func BenchmarkShard(b *testing.B) {
	doc := make([]uint32, 1000)
	for i := range doc {
		doc[i] = uint32(i)
	}
	const docs = 20_000
	for _, vocab := range []int{1 << 16, 1 << 17} {
		path := filepath.Join(b.TempDir(), "a.tok")
		width := 2 + 2*(vocab>>17)
		b.Run(fmt.Sprintf("op=write/width=%d", width), func(b *testing.B) {
			b.SetBytes(int64(docs * len(doc) * width))
			for b.Loop() {
				w, err := Create(path, Options{VocabSize: vocab})
				if err != nil {
					b.Fatal(err)
				}
				for range docs {
					if err := w.Append("document", doc); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(docs*len(doc)*b.N)/b.Elapsed().Seconds()/1e6, "Mtok/s")
		})
		b.Run(fmt.Sprintf("op=read/width=%d", width), func(b *testing.B) {
			s, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			dst := make([]uint32, 4096)
			b.SetBytes(s.Tokens() * int64(width))
			for b.Loop() {
				for at := int64(0); at+int64(len(dst)) <= s.Tokens(); at += int64(len(dst)) {
					s.Read(dst, at)
				}
			}
			b.ReportMetric(float64(s.Tokens()*int64(b.N))/b.Elapsed().Seconds()/1e6, "Mtok/s")
		})
	}
}
