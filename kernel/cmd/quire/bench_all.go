package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"quire/simd"
	"quire/simd/backendtest/peer"
)

// benchAllCmd runs the other benchmarks in a short setting and prints one table.
type benchAllCmd struct {
	VS       bool     `name:"vs" default:"true" negatable:"" help:"Measure the peers that are there in the same run."`
	Markdown bool     `help:"Write the table alone to standard output, and what the benchmarks print to standard error."`
	Only     string   `placeholder:"REGEXP" help:"Benchmarks whose command matches: kernel, corpus, token, tensor, train, infer."`
	Python   string   `default:"/usr/bin/python3" help:"Interpreter that has ipykernel, sentencepiece and PyTorch."`
	NPM      string   `placeholder:"DIR" help:"Folder where npm has installed node-llama-cpp and tiktoken."`
	Models   []string `short:"m" placeholder:"FILE" help:"Tokenizers; default: one that is trained here."`
	Text     []string `short:"t" placeholder:"FILE" help:"Texts for the tokenizers, default: comments of the Go source tree."`
	Rules    string   `placeholder:"FILE" help:"lib/clean/testdata/rules.py of the source tree, a peer of the cleaning rules."`
}

// record takes what a benchmark measured, besides what it prints. A nil record drops it.
type record func(what, ours, peer string, ratio float64)

// add notes one figure; ratio says how many times better than the peer it is, 0 that there is none.
func (r record) add(what, ours, peer string, ratio float64) {
	if r != nil {
		r(what, ours, peer, ratio)
	}
}

// Run prints the table and, below it, what was not measured and why. A benchmark that fails leaves the others alone.
func (c benchAllCmd) Run(ctx context.Context) error {
	only, err := regexp.Compile(c.Only)
	if err != nil {
		return fmt.Errorf("bench all: --only: %v", err)
	}
	out := os.Stdout
	if c.Markdown { // the benchmarks print to os.Stdout
		os.Stdout = os.Stderr
		defer func() { os.Stdout = out }()
	}
	lines, absent := c.lines()
	var rows strings.Builder
	var failed error
	for _, args := range lines {
		command := "quire bench " + shown(args)
		if ctx.Err() != nil || !only.MatchString(command) {
			continue
		}
		fmt.Printf("\n%s\n", command)
		err := runBench(ctx, args, func(what, ours, peer string, ratio float64) {
			times := ""
			if ratio > 0 {
				times = fmt.Sprintf("%.2f ×", ratio)
			}
			fmt.Fprintf(&rows, "| %s | %s | %s | %s | `%s` |\n", what, ours, peer, times, strings.ReplaceAll(command, "|", `\|`))
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", command, err))
		}
	}
	_, err = io.WriteString(out, "\n| what | Quire | peer | ratio | command |\n|---|---|---|---|---|\n"+rows.String()+"\nMeasured on "+simd.Describe()+".\n")
	for _, why := range absent {
		fmt.Fprintln(out, "- not measured:", why)
	}
	return errors.Join(err, failed, ctx.Err())
}

// runBench runs 'quire bench' with these arguments.
func runBench(ctx context.Context, args []string, r record) error {
	var c benchCmd
	c.Kernel.record, c.Corpus.record, c.Token.record, c.Tensor.record, c.Train.record, c.Infer.record = r, r, r, r, r, r
	parser, err := kong.New(&c, kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return err
	}
	line, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return line.Run()
}

// lines are the arguments of each benchmark with the peers that this machine has, and what is absent.
func (c benchAllCmd) lines() (lines [][]string, absent []string) {
	lines = [][]string{
		{"kernel"},
		{"corpus", "--rounds", "2"},
		{"token", "--rounds", "3"},
		{"tensor", "--rounds", "3", "--threads", "2", "--only", "^gemm (F32 m=1024|BF16 m=512)|^gemv Q4_0"},
		{"train", "--rounds", "3", "--model", "10.8M"},
		{"infer", "--rounds", "2", "--formats", "Q4_0", "--only", "^(decode|prefill|together 8)"},
	}
	for _, m := range c.Models {
		lines[2] = append(lines[2], "-m", m)
	}
	for _, t := range c.Text {
		lines[2] = append(lines[2], "-t", t)
	}
	for _, p := range c.peers() {
		i := slices.IndexFunc(lines, func(args []string) bool { return args[0] == p.bench })
		if p.absent == nil {
			lines[i] = append(lines[i], p.with...)
			continue
		}
		absent = append(absent, fmt.Sprintf("%s beside %s: %v", p.bench, p.name, p.absent))
		if p.alone == nil {
			lines = slices.Delete(lines, i, i+1)
			continue
		}
		lines[i] = append(lines[i], p.alone...)
	}
	return lines, absent
}

// benchPeer is who a benchmark can be measured beside.
type benchPeer struct {
	bench, name string
	absent      error    // why it is not there
	with        []string // arguments that measure it
	alone       []string // arguments that do not; nil: the benchmark needs its peer
}

func (c benchAllCmd) peers() []benchPeer {
	_, noBLAS := peer.LoadOpenBLAS()
	noTorch := c.python("torch", "python3-torch")
	all := []benchPeer{
		{"kernel", "ipykernel", c.python("ipykernel", "python3-ipykernel"), []string{"--python", c.Python}, nil},
		{"corpus", "plain Python", c.file(c.Rules, "--rules"), []string{"--rules", c.Rules, "--python", c.Python}, []string{}},
		{"token", "sentencepiece", c.python("sentencepiece", "python3-sentencepiece"), []string{"--python", c.Python}, []string{"--python="}},
		{"token", "tiktoken", c.npm("tiktoken"), []string{"--npm", c.NPM}, []string{}},
		{"tensor", "OpenBLAS", noBLAS, []string{"--vs", "openblas"}, []string{}},
		{"tensor", "PyTorch", noTorch, []string{"--vs", "torch", "--python", c.Python}, []string{}},
		{"train", "PyTorch", noTorch, []string{"--vs", "torch", "--python", c.Python}, []string{}},
		{"infer", "llama.cpp", c.npm("node-llama-cpp"), []string{"--vs", "llama.cpp", "--npm", c.NPM}, []string{}},
	}
	for i := range all {
		if !c.VS {
			all[i].absent = errors.New("--no-vs")
		}
	}
	return all
}

// python says why the interpreter lacks a module, nil where it has it.
func (c benchAllCmd) python(module, install string) error {
	if exec.Command(c.Python, "-c", "import "+module).Run() != nil {
		return fmt.Errorf("%s has no %s: install %s, or say --python", c.Python, module, install)
	}
	return nil
}

// npm says why a module of npm cannot be had, nil where it can.
func (c benchAllCmd) npm(module string) error {
	if err := c.file(c.NPM, "--npm"); err != nil {
		return err
	}
	return c.file(filepath.Join(c.NPM, "node_modules", module), "--npm")
}

func (benchAllCmd) file(path, flag string) error {
	if path == "" {
		return fmt.Errorf("say %s", flag)
	}
	_, err := os.Stat(path)
	return err
}

// shown is args as a person would write them on another machine: quoted, and without this one's folders.
func shown(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if filepath.IsAbs(a) {
			if info, err := os.Stat(a); err == nil && info.IsDir() {
				a = "DIR"
			}
			a = filepath.Base(a)
		}
		if strings.ContainsAny(a, " ^|()*") {
			a = "'" + a + "'"
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a)
	}
	return b.String()
}
