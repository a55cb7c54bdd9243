package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"quire/simd"
	"quire/simd/backendtest"
	"quire/simd/backendtest/peer"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

type benchTensorCmd struct {
	VS      []string `enum:"openblas,torch,ggml" placeholder:"PEER" help:"Measure these peers in the same run: openblas, torch, ggml. A kernel meets the first that can do it."`
	Threads []int    `default:"1,2" help:"Numbers of threads."`
	Only    string   `help:"Kernels whose name matches this regular expression."`
	Rounds  int      `default:"5" help:"Interleaved rounds of kernel, limit and peer; medians are printed."`
	Variant string   `help:"Instruction level, as 'quire version' names it; default: the best."`
	Python  string   `default:"python3" help:"Interpreter that has PyTorch."`
	GGML    string   `name:"ggml" placeholder:"DIR" help:"Folder with llama.cpp's libraries: bins of the npm package @node-llama-cpp."`
	record  record
}

// Run prints the roofline, then a table a number of threads.
func (c benchTensorCmd) Run(ctx context.Context) error {
	only, err := regexp.Compile(c.Only)
	if err != nil {
		return fmt.Errorf("bench tensor: --only: %v", err)
	}
	if err := c.check(only); err != nil {
		return err
	}
	var blas *peer.OpenBLAS
	if slices.Contains(c.VS, backendtest.OpenBLAS) {
		if blas, err = peer.LoadOpenBLAS(); err != nil {
			return err
		}
		fmt.Println("OpenBLAS core", blas.Core())
	}
	var ggml *peer.GGML
	if slices.Contains(c.VS, backendtest.GGML) {
		if ggml, err = peer.LoadGGML(c.GGML); err != nil {
			return err
		}
		fmt.Println("ggml on", ggml.About())
	}
	base, ok := simd.Default().(tensor.Varianter)
	if !ok {
		return fmt.Errorf("bench tensor: %s cannot change its number of threads", simd.Describe())
	}
	for _, threads := range c.Threads {
		b, err := base.With(c.Variant, threads)
		if err != nil {
			return err
		}
		bench := tensorBench{c: c, b: b, threads: threads, only: only, blas: blas, ggml: ggml, w: os.Stdout}
		if err := bench.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// check finds settings with which nothing can be measured.
func (c benchTensorCmd) check(only *regexp.Regexp) error {
	switch {
	case c.Rounds < 1:
		return fmt.Errorf("bench tensor: --rounds %d: want 1 or more", c.Rounds)
	case slices.Min(c.Threads) < 1:
		return fmt.Errorf("bench tensor: --threads %d: want 1 or more", slices.Min(c.Threads))
	case !slices.ContainsFunc(backendtest.Kernels(), func(k backendtest.Kernel) bool { return only.MatchString(k.Name) }):
		return fmt.Errorf("bench tensor: --only %q: no kernel has such a name; without --only all are listed", c.Only)
	}
	return nil
}

// tensorBench is the run for one number of threads.
type tensorBench struct {
	c       benchTensorCmd
	b       tensor.Backend
	threads int
	only    *regexp.Regexp
	blas    *peer.OpenBLAS
	torch   *peer.Torch
	ggml    *peer.GGML
	w       io.Writer
}

func (t *tensorBench) run(ctx context.Context) (err error) {
	defer t.b.Close()
	if slices.Contains(t.c.VS, backendtest.OneDNN) {
		if t.torch, err = peer.StartTorch(t.c.Python, t.threads); err != nil {
			return err
		}
		defer t.torch.Close()
		fmt.Fprintln(t.w, t.torch.About())
	}
	info := t.b.Info()
	fmt.Fprintf(t.w, "\n%s %s, %d threads\nroofline:", info.Name, info.Variant, info.Threads)
	if p, ok := t.b.(tensor.Prober); ok {
		for l, name := range []string{"FMA F32", "dot BF16", "dot int8", "read"} {
			l, rate := tensor.Limit(l), "none"
			if peak := p.Probe(l, info.Threads); peak > 0 {
				rate = backendtest.Rate(l, peak)
			}
			fmt.Fprintf(t.w, "  %s %s", name, rate)
		}
	}
	fmt.Fprintf(t.w, "\n\n%-52s %14s %7s  %s\n", "kernel", "rate", "limit", "bar: figure, verdict")
	for _, k := range backendtest.Kernels() {
		if t.only.MatchString(k.Name) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.kernel(k)
		}
	}
	return nil
}

// kernel prints one line.
func (t *tensorBench) kernel(k backendtest.Kernel) {
	name, ask := t.peerOf(k)
	m := backendtest.Measure(t.b, k, t.c.Rounds, ask)
	share := "-"
	if m.OfLimit > 0 {
		share = fmt.Sprintf("%.0f %%", 100*m.OfLimit)
	}
	var verdicts []string
	if name != "" && !slices.ContainsFunc(k.Bars, func(b backendtest.Bar) bool { return b.Peer == name }) {
		verdicts = append(verdicts, fmt.Sprintf("%.2f × %s", m.OfPeer, name))
	}
	for _, bar := range k.Bars {
		verdicts = append(verdicts, t.verdict(bar, name, m))
	}
	fmt.Fprintf(t.w, "%-52s %14s %7s  %s\n", k.Name, backendtest.Rate(k.Limit, m.Rate), share, strings.Join(verdicts, "; "))
	theirs := ""
	if m.OfPeer > 0 {
		theirs = backendtest.Rate(k.Limit, m.Rate/m.OfPeer) + " " + name
	}
	t.c.record.add(fmt.Sprintf("%s, %d threads", k.Name, t.threads), backendtest.Rate(k.Limit, m.Rate), theirs, m.OfPeer)
}

// peerOf is the first peer, in the order of --vs, that can do k, with its measurement.
func (t *tensorBench) peerOf(k backendtest.Kernel) (name string, ask func() float64) {
	for _, name := range t.c.VS {
		var ask func() float64
		switch p := k.Product; {
		case name == backendtest.GGML && k.Attention != nil:
			ask = t.ggml.Attention(*k.Attention, t.threads)
		case p == nil:
		case name == backendtest.GGML:
			ask = t.ggml.Product(*p, t.threads)
		case name == backendtest.OpenBLAS && p.DType == dtype.F32 && p.M > 1:
			ask = t.blas.Product(*p, t.threads)
		case name == backendtest.OneDNN && (p.DType == dtype.F32 || p.DType == dtype.BF16):
			ask = t.torch.Product(*p)
		}
		if ask != nil {
			return name, ask
		}
	}
	return "", nil
}

// verdict is one bar with its figure.
func (t *tensorBench) verdict(bar backendtest.Bar, peer string, m backendtest.Measurement) string {
	have, what := 0.0, "limit"
	switch {
	case bar.Peer == "":
		if m.OfLimit == 0 {
			return "limit unknown"
		}
		have = m.OfLimit
	case bar.Peer == peer:
		have, what = m.OfPeer, bar.Peer
	case bar.Quoted[0] > 0:
		have, what = m.Rate/bar.Quoted[min(t.threads, len(bar.Quoted))-1], bar.Peer+" (quoted)"
	default:
		return fmt.Sprintf("≥ %.2f %s: --vs %s measures it", bar.Ratio, bar.Peer, bar.Peer)
	}
	verdict := "MISSED"
	if have >= bar.Ratio {
		verdict = "met"
	}
	return fmt.Sprintf("≥ %.2f %s: %.2f, %s", bar.Ratio, what, have, verdict)
}
