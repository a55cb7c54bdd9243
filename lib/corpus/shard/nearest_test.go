package shard

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func written(t testing.TB, docs [][]uint32) *Shard {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.tok")
	w, err := Create(path, Options{VocabSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range docs {
		if err := w.Append(strconv.Itoa(i), d); err != nil {
			t.Fatal(err)
		}
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

// plainMatch is the definition of a Match, without hashes.
func plainMatch(doc, ids []uint32, minRun int) Match {
	covered := make([]bool, len(ids))
	var m Match
	for at := range ids {
		for from := range doc {
			n := 0
			for at+n < len(ids) && from+n < len(doc) && ids[at+n] == doc[from+n] {
				n++
			}
			if n < minRun {
				continue
			}
			for i := range n {
				covered[at+i] = true
			}
			m.Longest = max(m.Longest, n)
		}
	}
	for _, c := range covered {
		if c {
			m.Share += 1 / float64(len(ids))
		}
	}
	return m
}

func TestNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var docs [][]uint32
	for range 700 {
		d := make([]uint32, r.IntN(120))
		for i := range d {
			d[i] = r.Uint32N(6)
		}
		docs = append(docs, d)
	}
	shards := []*Shard{written(t, docs[:400]), written(t, docs[400:])}
	for range 20 {
		ids := make([]uint32, 8+r.IntN(60))
		for i := range ids {
			ids[i] = r.Uint32N(6)
		}
		if r.IntN(2) == 0 {
			copy(ids[3:], docs[r.IntN(len(docs))])
		}
		minRun := 2 + r.IntN(5)
		got, err := Nearest(context.Background(), shards, ids, minRun, len(docs))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int]bool{}
		for i, m := range got {
			n := m.Doc + 400*m.Shard
			want := plainMatch(docs[n], ids, minRun)
			if seen[n] || m.ID != strconv.Itoa(m.Doc) || m.Longest != want.Longest || m.Share-want.Share > 1e-9 || want.Share-m.Share > 1e-9 {
				t.Fatalf("document %d: %+v, want %+v", n, m, want)
			}
			if !slices.Equal(docs[n][m.From:m.From+m.Longest], ids[m.At:m.At+m.Longest]) {
				t.Fatalf("document %d: %+v is no common run", n, m)
			}
			if i > 0 && (m.Share > got[i-1].Share || m.Share == got[i-1].Share && m.Longest > got[i-1].Longest) {
				t.Fatalf("%+v comes behind %+v", m, got[i-1])
			}
			seen[n] = true
		}
		for n, d := range docs {
			if !seen[n] && plainMatch(d, ids, minRun).Longest > 0 {
				t.Fatalf("document %d is missing", n)
			}
		}
	}
}

func TestNearestErrors(t *testing.T) {
	s := written(t, [][]uint32{{1, 2, 3}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx    context.Context
		ids    []uint32
		run, k int
		want   string
	}{
		{context.Background(), []uint32{1, 2}, 3, 1, "ask for shorter runs"},
		{context.Background(), []uint32{1, 2}, 1, 1, "want at least 2 and 1"},
		{ctx, []uint32{1, 2}, 2, 1, "canceled"},
	} {
		if _, err := Nearest(c.ctx, []*Shard{s}, c.ids, c.run, c.k); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if got, err := Nearest(context.Background(), nil, []uint32{1, 2}, 2, 1); err != nil || len(got) != 0 {
		t.Errorf("no shards: %v, %v", got, err)
	}
}

func BenchmarkNearest(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	var docs [][]uint32
	for range 2000 {
		d := make([]uint32, 1000)
		for i := range d {
			d[i] = r.Uint32N(4000)
		}
		docs = append(docs, d)
	}
	s := written(b, docs)
	b.SetBytes(s.Tokens() * 4)
	for b.Loop() {
		if _, err := Nearest(context.Background(), []*Shard{s}, docs[7][:200], 8, 5); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Tokens())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mtok/s")
}
