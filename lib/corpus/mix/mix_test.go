package mix

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quire/lib/corpus/shard"
)

// Properties are tried on the same cases in every run; -rapid.seed asks for others.
func init() { flag.Set("rapid.seed", "1") }

// bos and eos begin and end documents in these tests; no other token is as high.
const (
	bos = 60001
	eos = 60002
)

// source writes shards whose documents can be told from one another: every token occurs once in all sources of other first letters.
func source(t testing.TB, name string, lengths ...[]int) Source {
	t.Helper()
	s := Source{Name: name, Weight: 1}
	next := 100_000 + uint32(name[0])<<20
	doc := 0
	for si, shardLengths := range lengths {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%s-%d.tok", name, si))
		w, err := shard.Create(path, shard.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range shardLengths {
			ids := make([]uint32, n)
			for k := range ids {
				ids[k] = next
				next++
			}
			if err := w.Append(fmt.Sprintf("%s/%d", name, doc), ids); err != nil {
				t.Fatal(err)
			}
			doc++
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sh, err := shard.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sh.Close() })
		s.Shards = append(s.Shards, sh)
	}
	return s
}

func lengths(r *rand.Rand, docs, longest int) []int {
	out := make([]int, docs)
	for i := range out {
		out[i] = r.IntN(longest + 1)
	}
	return out
}

func stream(t testing.TB, c Config) *Stream {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// take returns the next n rows, or all to the end where n is negative.
func take(t testing.TB, s *Stream, n int) (rows []Row) {
	t.Helper()
	for len(rows) != n {
		row, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// checkRow compares a row's tokens with the documents that its spans name.
func checkRow(t testing.TB, c Config, row Row) {
	t.Helper()
	if len(row.IDs) != c.SeqLen+1 {
		t.Fatalf("a row of %d tokens, want %d", len(row.IDs), c.SeqLen+1)
	}
	at := 0
	for _, p := range row.Spans {
		sh := c.Sources[p.Source].Shards[p.Shard]
		whole := slices.Concat(c.BOS, sh.Append(nil, p.Doc), c.EOS)[p.From:]
		if c.Packing != Concat && p.From > 0 {
			whole = slices.Concat(c.BOS, whole)
		}
		if p.Start != at || p.End <= p.Start || !slices.Equal(row.IDs[p.Start:p.End], whole[:p.End-p.Start]) {
			t.Fatalf("span %+v holds %v, the document goes on %v", p, row.IDs[p.Start:p.End], whole)
		}
		at = p.End
	}
	if at < len(row.IDs) && !c.KeepLast {
		t.Fatalf("spans end at %d of %d", at, len(row.IDs))
	}
	for _, id := range row.IDs[at:] {
		if id != 0 {
			t.Fatalf("token %d behind the last span", id)
		}
	}
}

// TestEpochExact checks for each packing that an epoch has every token of every document once, as an input or a target that the
// packing promises, and that cropping drops only ends of documents.
func TestEpochExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		docs := rapid.IntRange(1, 60).Draw(rt, "docs")
		c := Config{
			Sources:  []Source{source(t, "a", lengths(r, docs, 30), nil, append(lengths(r, docs, 80), 1)), source(t, "b", []int{5, 9})},
			SeqLen:   rapid.IntRange(1, 40).Draw(rt, "SeqLen"),
			Seed:     r.Uint64(),
			Packing:  rapid.SampledFrom([]Packing{Concat, BestFit, BestFitCrop}).Draw(rt, "packing"),
			KeepLast: true,
		}
		if c.SeqLen > 2 && rapid.Bool().Draw(rt, "bos") {
			c.BOS, c.EOS = []uint32{bos, bos + 10}, []uint32{eos}
		}
		epochs := rapid.IntRange(1, 3).Draw(rt, "epochs")
		for i := range c.Sources {
			c.Sources[i].Epochs = float64(epochs)
		}
		s := stream(t, c)
		seen := map[uint32]int{}
		for i, row := range take(t, s, -1) {
			checkRow(t, c, row)
			begin := 0
			if c.Packing == Concat && i > 0 {
				begin = 1 // it was the last row's last target
			}
			for _, id := range row.IDs[begin:row.Spans[len(row.Spans)-1].End] {
				seen[id]++
			}
			if c.Packing != Concat && c.BOS != nil && row.IDs[0] != bos {
				t.Fatalf("row %d does not begin with BOS", i)
			}
		}
		for si, src := range c.Sources {
			for _, sh := range src.Shards {
				for d := range sh.Docs() {
					checkDoc(t, c, sh.Append(nil, d), seen, epochs, fmt.Sprintf("source %d document %d", si, d))
				}
			}
		}
		if (s.Dropped() > 0) && c.Packing != BestFitCrop {
			t.Errorf("%v dropped %d tokens", c.Packing, s.Dropped())
		}
	})
}

func checkDoc(t *testing.T, c Config, ids []uint32, seen map[uint32]int, epochs int, name string) {
	t.Helper()
	before := epochs
	for k, id := range ids {
		n := seen[id]
		if c.Packing != BestFitCrop && n != epochs {
			t.Fatalf("%v: %s: token %d of %d was seen %d times in %d epochs", c.Packing, name, k, len(ids), n, epochs)
		}
		if n > before {
			t.Fatalf("%v: %s: token %d was seen more often than the one before it", c.Packing, name, k)
		}
		before = n
	}
}

func configs(t testing.TB, r *rand.Rand) []Config {
	a, b := source(t, "a", lengths(r, 300, 50), lengths(r, 200, 20)), source(t, "b", lengths(r, 400, 90))
	a.Weight, a.Epochs, b.Weight, b.Epochs = 3, 2.5, 1, 1.5
	var all []Config
	for _, p := range []Packing{Concat, BestFit, BestFitCrop} {
		for _, last := range []bool{false, true} {
			all = append(all, Config{Sources: []Source{a, b}, SeqLen: 32, Seed: 7, Packing: p, BOS: []uint32{bos}, EOS: []uint32{eos}, KeepLast: last, Split: Split{0, 0.9}})
		}
	}
	return all
}

func TestWorkersGiveTheSameRows(t *testing.T) {
	for _, c := range configs(t, rand.New(rand.NewPCG(1, 1))) {
		want := take(t, stream(t, c), -1)
		for _, world := range []int{2, 3, 7} {
			parts := make([][]Row, world)
			for rank := range world {
				part := c
				part.Rank, part.World = rank, world
				parts[rank] = take(t, stream(t, part), -1)
			}
			var got []Row
			for i := 0; len(got) < len(want) && i/world < len(parts[i%world]); i++ {
				got = append(got, parts[i%world][i/world])
			}
			whole := len(want)
			if !c.KeepLast { // ranks stay in step: all end together
				whole -= whole % world
				if len(parts[0]) != len(parts[world-1]) {
					t.Errorf("%v: rank 0 has %d rows, the last has %d", c.Packing, len(parts[0]), len(parts[world-1]))
				}
			}
			if !reflect.DeepEqual(got, want[:whole]) {
				t.Errorf("%v: %d workers give %d rows, one gives %d, or they differ", c.Packing, world, len(got), len(want))
			}
		}
	}
}

func TestRestored(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, c := range configs(t, r) {
		want := take(t, stream(t, c), -1)
		for _, at := range []int{0, 1, r.IntN(len(want)), len(want)} {
			s := stream(t, c)
			take(t, s, at)
			raw, err := json.Marshal(s.State())
			if err != nil {
				t.Fatal(err)
			}
			var st State
			if err := json.Unmarshal(raw, &st); err != nil {
				t.Fatal(err)
			}
			again := stream(t, c)
			take(t, again, 3) // Restore must not depend on where the stream stood
			if err := again.Restore(st); err != nil {
				t.Fatal(err)
			}
			if got := take(t, again, -1); !reflect.DeepEqual(got, want[at:len(want):len(want)]) && len(got)+len(want)-at > 0 {
				t.Errorf("%v: restored at row %d: %d rows follow, want %d, or they differ", c.Packing, at, len(got), len(want)-at)
			}
			if len(raw) > 40_000 {
				t.Errorf("%v: the state has %d bytes", c.Packing, len(raw))
			}
		}
	}
}

// TestRestoredWithOtherWorld goes on with two workers where three left off.
func TestRestoredWithOtherWorld(t *testing.T) {
	c := configs(t, rand.New(rand.NewPCG(3, 3)))[2]
	want := take(t, stream(t, c), 40)
	c.World = 3
	first := stream(t, c)
	take(t, first, 4)
	c.World = 2
	for rank := range 2 {
		c.Rank = rank
		s := stream(t, c)
		if err := s.Restore(first.State()); err != nil {
			t.Fatal(err)
		}
		for i, got := range take(t, s, 5) {
			if !reflect.DeepEqual(got, want[12+2*i+rank]) {
				t.Fatalf("rank %d row %d differs from row %d", rank, i, 12+2*i+rank)
			}
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	all := configs(t, rand.New(rand.NewPCG(4, 4)))
	good := stream(t, all[2])
	take(t, good, 2)
	if err := stream(t, all[3]).Restore(good.State()); err == nil || !strings.Contains(err.Error(), "are needed") {
		t.Errorf("a state of another configuration: %v", err)
	}
	for name, break_ := range map[string]func(*State){
		"document": func(s *State) { s.Waiting[0][1] = 1 << 40 },
		"source":   func(s *State) { s.Waiting[0][0] = -1 },
		"token":    func(s *State) { s.Waiting[0][2] = 1 << 20 },
		"position": func(s *State) { s.Sources[0].Position = -1 },
		"weight":   func(s *State) { s.Sources[0].Weight = math.Inf(1) },
		"sources":  func(s *State) { s.Sources = s.Sources[:1] },
	} {
		st := good.State()
		break_(&st)
		s := stream(t, all[2])
		if err := s.Restore(st); err == nil {
			t.Errorf("broken %s: no error", name)
		}
		if !reflect.DeepEqual(s.State(), stream(t, all[2]).State()) {
			t.Errorf("broken %s: the refused state has changed the stream", name)
		}
	}
}

// TestWeights checks shares of tokens to within a document, before and after weights change.
func TestWeights(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const longest = 200
	a, b, c := source(t, "a", lengths(r, 500, longest)), source(t, "b", lengths(r, 500, 20)), source(t, "c", lengths(r, 50, longest))
	a.Weight, b.Weight, c.Weight = 5, 3, 2
	s := stream(t, Config{Sources: []Source{a, b, c}, SeqLen: 64})
	check := func(weights map[string]float64) {
		t.Helper()
		before := s.Progress()
		take(t, s, 2000)
		after := s.Progress()
		var total, sum float64
		for i := range after {
			total += float64(after[i].Tokens - before[i].Tokens)
			sum += weights[after[i].Name]
		}
		for i := range after {
			got, want := float64(after[i].Tokens-before[i].Tokens), total*weights[after[i].Name]/sum
			if math.Abs(got-want) > 2*longest {
				t.Errorf("source %s: %v tokens of %v, want %v within two documents", after[i].Name, got, total, want)
			}
		}
	}
	check(map[string]float64{"a": 5, "b": 3, "c": 2})
	if text := fmt.Sprint(s.MIMEBundle()["text/plain"]); !strings.Contains(text, "2000 rows of 64 tokens, concat") || !strings.Contains(text, "Share") {
		t.Errorf("shown as %s", text)
	}
	if err := s.SetWeights(map[string]float64{"a": 0, "c": 1}); err != nil {
		t.Fatal(err)
	}
	check(map[string]float64{"a": 0, "b": 3, "c": 1})
	for _, bad := range []map[string]float64{{"x": 1}, {"b": -1}, {"b": 0, "c": 0}, {"b": math.NaN()}} {
		if err := s.SetWeights(bad); err == nil {
			t.Errorf("SetWeights(%v): no error", bad)
		}
	}
	check(map[string]float64{"a": 0, "b": 3, "c": 1})
}

func TestEpochsInOtherOrder(t *testing.T) {
	src := source(t, "a", slices.Repeat([]int{1}, 200))
	src.Epochs = 2
	var order []int
	for _, row := range take(t, stream(t, Config{Sources: []Source{src}, SeqLen: 1, Packing: BestFit, BOS: []uint32{bos}}), -1) {
		order = append(order, row.Spans[0].Doc)
	}
	if len(order) != 400 {
		t.Fatalf("%d documents in two epochs of 200", len(order))
	}
	ident := make([]int, 200)
	for i := range ident {
		ident[i] = i
	}
	first, second := slices.Clone(order[:200]), slices.Clone(order[200:])
	if slices.Equal(first, second) || slices.Equal(first, ident) {
		t.Error("the epochs have the same order, or that of the file")
	}
}

func TestSplit(t *testing.T) {
	train, valid := Split{0, 0.9}, Split{0.9, 1}
	kept := 0
	const n = 20_000
	for i := range n {
		id := fmt.Sprintf("doc-%d", i)
		if train.Keep(id) == valid.Keep(id) {
			t.Fatalf("%s is in both parts or in none", id)
		}
		if valid.Keep(id) {
			kept++
		}
	}
	if sd := math.Sqrt(n * 0.1 * 0.9); math.Abs(float64(kept)-n*0.1) > 4*sd {
		t.Errorf("%d of %d documents to validate with, want a tenth", kept, n)
	}
	src := source(t, "a", slices.Repeat([]int{3}, 300))
	src.Epochs = 1
	docs := map[string]int{}
	for _, split := range []Split{train, valid} {
		s := stream(t, Config{Sources: []Source{src}, SeqLen: 7, Split: split, KeepLast: true})
		for _, row := range take(t, s, -1) {
			for _, p := range row.Spans {
				if !split.Keep(s.ID(p)) {
					t.Fatalf("%s is not of split %v", s.ID(p), split)
				}
				docs[s.ID(p)]++
			}
		}
	}
	if len(docs) != 300 {
		t.Errorf("the two splits together have %d of 300 documents", len(docs))
	}
}

func TestConfigErrors(t *testing.T) {
	src := source(t, "a", []int{1, 0, 2})
	empty := source(t, "empty", []int{0, 0})
	good := Config{Sources: []Source{src}, SeqLen: 4}
	for want, change := range map[string]func(*Config){
		"SeqLen 0":                  func(c *Config) { c.SeqLen = 0 },
		"no source":                 func(c *Config) { c.Sources = nil },
		`two sources are named "a"`: func(c *Config) { c.Sources = []Source{src, src} },
		`"empty" has no document with tokens among 2`: func(c *Config) { c.Sources = []Source{src, empty} },
		"rank 2 of 2":       func(c *Config) { c.Rank, c.World = 2, 2 },
		"split from 0.5":    func(c *Config) { c.Split = Split{0.5, 0.2} },
		"every weight is 0": func(c *Config) { c.Sources = []Source{{Name: "a", Shards: src.Shards}} },
		"-1 epochs":         func(c *Config) { c.Sources = []Source{{Name: "a", Shards: src.Shards, Weight: 1, Epochs: -1}} },
		"unknown packing":   func(c *Config) { c.Packing = 9 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, error %v", want, err)
		}
	}
}

func TestPermutation(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 4, 5, 7, 8, 9, 100, 1000, 4097} {
		for seed := range uint64(3) {
			p := newPermutation(n, seed)
			seen := make([]bool, n)
			for i := range n {
				at := p.at(i)
				if at < 0 || at >= n || seen[at] {
					t.Fatalf("n=%d seed %d: position %d goes to %d, twice or outside", n, seed, i, at)
				}
				seen[at] = true
			}
		}
	}
	huge := newPermutation(1<<40+7, 1) // no memory, whatever the number of documents
	seen := map[int64]bool{}
	for i := range int64(100_000) {
		at := huge.at(1<<40 - i)
		if at < 0 || at >= 1<<40+7 || seen[at] {
			t.Fatalf("position %d of 2⁴⁰ goes to %d, twice or outside", i, at)
		}
		seen[at] = true
	}
	// Neighbours land anywhere: over many seeds, the place of position 0 and its distance to that of position 1 are spread evenly.
	const n, trials, cells = 1000, 20_000, 20
	var place, distance [cells]float64
	for seed := range uint64(trials) {
		p := newPermutation(n, seed*0x9e3779b97f4a7c15)
		a, b := p.at(0), p.at(1)
		place[a*cells/n]++
		distance[((b-a+n)%n)*cells/n]++
	}
	for name, counts := range map[string][cells]float64{"place": place, "distance": distance} {
		chi := 0.0
		for _, k := range counts {
			chi += (k - trials/cells) * (k - trials/cells) / (trials / cells)
		}
		if chi > 50 { // 19 degrees of freedom: P < 2e-4
			t.Errorf("%s: χ² %.1f, counts %v", name, chi, counts)
		}
	}
}

// FuzzRestore: a state from a disk is believed no further than it fits.
func FuzzRestore(f *testing.F) {
	src := source(f, "a", []int{3, 0, 5}, []int{40})
	var configs []Config
	for _, p := range []Packing{Concat, BestFit, BestFitCrop} {
		c := Config{Sources: []Source{src}, SeqLen: 7, Packing: p, BOS: []uint32{bos, bos}, EOS: []uint32{eos}}
		s := stream(f, c)
		take(f, s, 3)
		raw, err := json.Marshal(s.State())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		configs = append(configs, c)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var st State
		if json.Unmarshal(raw, &st) != nil {
			return
		}
		for _, c := range configs {
			s := stream(t, c)
			st.Config = s.fingerprint()
			if s.Restore(st) == nil {
				for _, row := range take(t, s, 5) {
					checkRow(t, c, row)
				}
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 6))
	src := source(b, "a", lengths(r, 10_000, 2000))
	for _, p := range []Packing{Concat, BestFit, BestFitCrop} {
		b.Run("packing="+p.String(), func(b *testing.B) {
			s := stream(b, Config{Sources: []Source{src}, SeqLen: 2048, Packing: p, BOS: []uint32{bos}})
			for b.Loop() {
				if _, err := s.Next(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(2048*b.N)/b.Elapsed().Seconds()/1e6, "Mtok/s")
		})
	}
}

// TestBestFitTakesLongDocumentsAsTheyCome compares the documents that a short run meets with those of the corpus: they are as long, whenever they come.
func TestBestFitTakesLongDocumentsAsTheyCome(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	lengths := make([]int, 3000)
	var sum, squares float64
	for i := range lengths {
		lengths[i] = 100 + rng.IntN(2000)
		sum, squares = sum+float64(lengths[i]), squares+float64(lengths[i])*float64(lengths[i])
	}
	src := source(t, "a", lengths)
	rows := take(t, stream(t, Config{Sources: []Source{src}, SeqLen: 64, Packing: BestFit}), 6000)
	for from := 0; from < len(rows); from += 2000 {
		var tokens, weighed float64
		for _, row := range rows[from : from+2000] {
			for _, s := range row.Spans {
				n := float64(s.End - s.Start)
				tokens, weighed = tokens+n, weighed+n*float64(lengths[s.Doc])
			}
		}
		if got, want := weighed/tokens, squares/sum; math.Abs(got/want-1) > 0.1 {
			t.Errorf("rows from %d on: a token's document has %.0f tokens on average, in the corpus %.0f", from, got, want)
		}
	}
}
