package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"quire/lib/infer"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// benchInferCmd measures the engine on random weights of TinyLlama's shape, in turns with llama.cpp on the same file.
type benchInferCmd struct {
	VS      string   `enum:"llama.cpp," default:"" placeholder:"PEER" help:"Measure llama.cpp in the same run."`
	NPM     string   `placeholder:"DIR" help:"Folder where npm has installed node-llama-cpp, whose llama.cpp is used."`
	Formats []string `default:"Q4_0,Q8_0,BF16" help:"Types of the weights."`
	Only    string   `help:"Lines whose name matches this regular expression: load, prefill 512, decode, depth 8192, together 8, together 32, prefix, constrained 32000, constrained 92544."`
	Rounds  int      `default:"5" help:"Turns of engine and peer; medians are printed."`
	Depth   int      `default:"8192" help:"Context of the line depth."`
	Dir     string   `type:"path" placeholder:"DIR" help:"Folder that keeps the models, which are written where they are missing; default: a temporary one."`
	record  record
}

const (
	benchTokens = 24 // that a turn decodes
	benchPiece  = 3  // tokens between two reads of the weights' memory, which take about as long as one
)

// Run prints a table for each format.
func (c benchInferCmd) Run(ctx context.Context) (err error) {
	only, err := regexp.Compile(c.Only)
	if err != nil {
		return fmt.Errorf("bench infer: --only: %v", err)
	}
	if c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "quire-bench-infer"); err != nil {
			return err
		}
		defer os.RemoveAll(c.Dir)
	}
	b := inferBench{c: c, only: only}
	if c.VS != "" {
		if b.peer, err = startLlama(c.NPM); err != nil {
			return err
		}
		defer b.peer.close()
		fmt.Println("llama.cpp", b.peer.about)
	}
	fmt.Println(simd.Describe())
	for _, name := range c.Formats {
		dt, err := dtype.Parse(name)
		if err != nil {
			return fmt.Errorf("bench infer: --formats: %v", err)
		}
		path := filepath.Join(c.Dir, dt.String()+".gguf")
		if err := writeTinyLlama(ctx, path, dt, tinyVocab); err != nil {
			return err
		}
		if err := b.format(ctx, path, dt); err != nil {
			return err
		}
	}
	return nil
}

// inferBench is a run.
type inferBench struct {
	c      benchInferCmd
	only   *regexp.Regexp
	peer   *llama
	e      *infer.Engine
	path   string
	bytes  int64 // of the file
	read   int64 // of these, what one token needs: all but the rows of other tokens' embeddings
	prompt uint32
	packed *tensor.Mapping // the file that the engine has mapped, mapped again; nil: it has none
	shares []float64       // of the memory read before and after them, of pieces of decoding
}

// figures are the turns of one line.
type figures struct{ ours, theirs []float64 }

// bars are what is asked of a line: times the peer, and percent of the memory read.
type bar struct{ peer, read float64 }

// format measures one file.
func (b *inferBench) format(ctx context.Context, path string, dt dtype.Type) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	b.path, b.bytes = path, info.Size()
	b.read = b.bytes - int64(dt.Bytes(tinyVocab*tinyHidden))
	fmt.Printf("\n%v, %.2f GB\n%-22s %12s %12s %9s %9s  %s\n", dt, float64(b.bytes)/1e9, "", "quire", "llama.cpp", "ratio", "of read", "bar")
	if b.e, err = b.load(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.e.Close()) }()
	if err := b.mapPacked(); err != nil {
		return err
	}
	if b.packed != nil {
		defer b.packed.Close()
	}
	quant := map[dtype.Type][3]bar{ // decode, prefill
		dtype.Q4_0: {{1.5, 80}, {1.5, 0}}, dtype.Q8_0: {{1.6, 85}, {2.8, 0}}, dtype.BF16: {{1.1, 90}, {1.5, 0}},
	}[dt]
	depth := fmt.Sprintf("depth %d", b.c.Depth)
	lines := []struct {
		name  string
		bar   bar
		size  int // of the context
		seqs  int
		turn  func(ctx context.Context) (float64, error)
		other func() (float64, error)
	}{
		{"decode", quant[0], 1024, 1, b.decode, func() (float64, error) { return b.peer.decode(1, 32, benchTokens) }},
		{"prefill 512", quant[1], 1024, 1, b.prefill, func() (float64, error) { return b.peer.prefill(512) }},
		{"together 8", bar{2, 0}, 2048, 8, func(ctx context.Context) (float64, error) { return b.together(ctx, 8) }, func() (float64, error) { return b.peer.decode(8, 8, benchTokens/2) }},
		{"together 32", bar{2, 0}, 8192, 32, func(ctx context.Context) (float64, error) { return b.together(ctx, 32) }, func() (float64, error) { return b.peer.decode(32, 8, benchTokens/3) }},
		{depth, bar{2, 0}, b.c.Depth + 512, 1, b.deep, func() (float64, error) { return b.peer.deep(b.c.Depth, benchTokens) }},
	}
	for _, l := range lines {
		if !b.only.MatchString(l.name) {
			continue
		}
		if b.peer != nil {
			if err := b.peer.open(path, l.size, l.seqs); err != nil {
				return err
			}
			if l.name == depth {
				if err := b.peer.fill(path, b.c.Depth); err != nil {
					return err
				}
			}
		}
		var f figures
		b.shares = nil
		for range b.c.Rounds {
			if err := b.turn(ctx, &f, l.turn, l.other); err != nil {
				return err
			}
		}
		b.print(l.name, f, l.bar)
	}
	if b.only.MatchString("prefix") {
		if err := b.prefix(ctx); err != nil {
			return err
		}
	}
	return b.constrained(ctx, dt)
}

// turn measures the engine and the peer once.
func (b *inferBench) turn(ctx context.Context, f *figures, ours func(context.Context) (float64, error), theirs func() (float64, error)) error {
	v, err := ours(ctx)
	if err != nil {
		return err
	}
	f.ours = append(f.ours, v)
	if b.peer != nil {
		if v, err = theirs(); err != nil {
			return err
		}
		f.theirs = append(f.theirs, v)
	}
	return nil
}

func (b *inferBench) print(name string, f figures, want bar) {
	ours := middle(f.ours)
	theirs, ratio, share, verdict := "-", "-", "-", ""
	met, r := true, 0.0
	if len(f.theirs) > 0 {
		r = ours / middle(f.theirs)
		theirs, ratio = fmt.Sprintf("%.1f tok/s", middle(f.theirs)), fmt.Sprintf("%.2f ×", r)
		if want.peer > 0 {
			verdict, met = fmt.Sprintf("≥ %.1f ×", want.peer), r >= want.peer
		}
	}
	if len(b.shares) > 0 && want.read > 0 {
		s := 100 * middle(b.shares)
		share = fmt.Sprintf("%.0f %%", s)
		verdict += fmt.Sprintf(" ≥ %.0f %%", want.read)
		met = met && s >= want.read
	}
	if verdict != "" {
		verdict += map[bool]string{true: "  met", false: "  not met"}[met]
	}
	fmt.Printf("%-22s %12s %12s %9s %9s  %s\n", name, fmt.Sprintf("%.1f tok/s", ours), theirs, ratio, share, verdict)
	other := ""
	if r > 0 {
		other = theirs + " llama.cpp"
	}
	b.c.record.add(fmt.Sprintf("inference, %s, %s", filepath.Base(b.path), name), fmt.Sprintf("%.1f tok/s", ours), other, r)
}

// load opens the engine's model: at first without a packed copy on disk, then, when that is written, again with it. What is measured after that is the packed copy.
func (b *inferBench) load() (*infer.Engine, error) {
	packed := filepath.Join(b.c.Dir, "packed")
	open := func() (*infer.Engine, time.Duration, error) {
		start := time.Now()
		e, err := infer.Open(b.path, infer.Config{CacheBytes: 1 << 30, PackedDir: packed})
		return e, time.Since(start), err
	}
	if !b.only.MatchString("load") {
		e, _, err := open()
		if err != nil {
			return nil, err
		}
		if err := errors.Join(e.Packed(), e.Close()); err != nil {
			return nil, err
		}
		e, _, err = open()
		return e, err
	}
	var first, again []float64
	for range b.c.Rounds {
		if err := os.RemoveAll(packed); err != nil {
			return nil, err
		}
		e, took, err := open()
		if err != nil {
			return nil, err
		}
		first = append(first, took.Seconds())
		if err := errors.Join(e.Packed(), e.Close()); err != nil {
			return nil, err
		}
		if e, took, err = open(); err != nil {
			return nil, err
		}
		again = append(again, took.Seconds())
		if err := e.Close(); err != nil {
			return nil, err
		}
	}
	for _, line := range []struct {
		name  string
		times []float64
		bar   float64
	}{{"load, first", first, 1.5}, {"load, packed", again, 0.3}} {
		s := middle(line.times)
		two := s * 2e9 / float64(b.bytes)
		fmt.Printf("%-22s %12s %12s %9s %9s  2 GB in ≤ %.1f s: %.2f s  %s\n", line.name, fmt.Sprintf("%.3f s", s), "", "", "", line.bar, two, map[bool]string{true: "met", false: "not met"}[two <= line.bar])
	}
	e, _, err := open()
	return e, err
}

// ids returns a prompt of n tokens that no other shares.
func (b *inferBench) ids(n int) []uint32 {
	b.prompt++
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = 300 + (b.prompt*977+uint32(i)*37)%30000
	}
	return ids
}

// stream generates n tokens a text and returns when the first and the last one came.
func (b *inferBench) stream(ctx context.Context, r infer.Request) (first, last time.Duration, n int, err error) {
	return b.streamOf(ctx, b.e, r)
}

func (b *inferBench) streamOf(ctx context.Context, e *infer.Engine, r infer.Request) (first, last time.Duration, n int, err error) {
	r.IgnoreEOS = true
	start := time.Now()
	for _, err := range e.Generate(ctx, r) {
		if err != nil {
			return 0, 0, 0, err
		}
		if n++; n == max(r.N, 1) {
			first = time.Since(start)
		}
	}
	return first, time.Since(start), n, nil
}

// decode continues a text, a few tokens at a time, and reads the memory of the weights in between: the read of a shared machine may change from second to second.
func (b *inferBench) decode(ctx context.Context) (tokensPerSec float64, err error) {
	s := b.e.Session()
	defer func() { err = errors.Join(err, s.Close()) }()
	piece := func(r infer.Request) (time.Duration, error) {
		start := time.Now()
		for _, err := range s.Generate(ctx, r) {
			if err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
	if _, err := piece(infer.Request{IDs: b.ids(32), MaxTokens: 1, IgnoreEOS: true}); err != nil {
		return 0, err
	}
	var all time.Duration
	before := b.readPacked()
	for range benchTokens / benchPiece {
		took, err := piece(infer.Request{MaxTokens: benchPiece, IgnoreEOS: true})
		if err != nil {
			return 0, err
		}
		all += took
		if after := b.readPacked(); after > 0 {
			b.shares = append(b.shares, benchPiece*float64(b.read)/took.Seconds()/((before+after)/2))
			before = after
		}
	}
	return benchTokens / all.Seconds(), nil
}

// readPacked is how fast the memory that the engine has mapped can be read now, in bytes a second; 0: it has mapped none.
func (b *inferBench) readPacked() float64 {
	p, ok := simd.Default().(tensor.Prober)
	if !ok || b.packed == nil {
		return 0
	}
	return p.ReadOnce(b.packed.Bytes())
}

// mapPacked maps the file of packed weights that was opened last.
func (b *inferBench) mapPacked() error {
	paths, err := filepath.Glob(filepath.Join(b.c.Dir, "packed", "*.packed"))
	if err != nil || len(paths) == 0 {
		b.packed = nil
		return err
	}
	b.packed, err = tensor.Map(slices.MaxFunc(paths, func(x, y string) int { return modified(x).Compare(modified(y)) }))
	return err
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (b *inferBench) prefill(ctx context.Context) (float64, error) {
	first, _, _, err := b.stream(ctx, infer.Request{IDs: b.ids(512), MaxTokens: 1})
	return 512 / first.Seconds(), err
}

func (b *inferBench) together(ctx context.Context, n int) (float64, error) {
	first, last, got, err := b.stream(ctx, infer.Request{IDs: b.ids(8), MaxTokens: max(8, benchTokens*4/n), N: n})
	return float64(got-n) / (last - first).Seconds(), err
}

// deep decodes after a long prompt, which stays in the prefix cache from turn to turn.
func (b *inferBench) deep(ctx context.Context) (float64, error) {
	ids := make([]uint32, b.c.Depth)
	for i := range ids {
		ids[i] = 300 + uint32(i*37)%30000
	}
	first, last, n, err := b.stream(ctx, infer.Request{IDs: ids, MaxTokens: benchTokens})
	return float64(n-1) / (last - first).Seconds(), err
}

// prefix compares the time to the first token of a prompt of 2,000 tokens and more with that of a second one that shares them.
func (b *inferBench) prefix(ctx context.Context) error {
	var cold, warm []float64
	for range b.c.Rounds {
		shared := b.ids(2000)
		for _, times := range []*[]float64{&cold, &warm} {
			first, _, _, err := b.stream(ctx, infer.Request{IDs: append(slices.Clone(shared), b.ids(16)...), MaxTokens: 1})
			if err != nil {
				return err
			}
			*times = append(*times, first.Seconds())
		}
	}
	r := middle(cold) / middle(warm)
	b.c.record.add(fmt.Sprintf("inference, %s, prefix of 2000 again", filepath.Base(b.path)), fmt.Sprintf("%.0f ms", 1e3*middle(warm)), fmt.Sprintf("%.0f ms cold", 1e3*middle(cold)), r)
	fmt.Printf("%-22s %12s %12s %9s %9s  ≥ 20 ×  %s\n", "prefix of 2000 again", fmt.Sprintf("%.0f ms", 1e3*middle(warm)), fmt.Sprintf("cold %.0f ms", 1e3*middle(cold)),
		fmt.Sprintf("%.1f ×", r), "", map[bool]string{true: "met", false: "not met"}[r >= 20])
	return nil
}
