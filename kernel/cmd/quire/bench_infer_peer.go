package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"quire/simd"
)

//go:embed bench_infer.mjs
var llamaScript string

// llama is a process that runs llama.cpp.
type llama struct {
	about  string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	script string
	path   string // of the model that is loaded
	size   int
	seqs   int
	depth  int // tokens of sequence 0 that are computed
}

// startLlama runs the script with Node.js in the folder where npm has installed node-llama-cpp.
func startLlama(dir string) (*llama, error) {
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "node-llama-cpp")); dir == "" || err != nil {
		return nil, fmt.Errorf("bench infer: --npm %q has no node-llama-cpp: run 'npm install node-llama-cpp@3.22.1' in a folder and name it", dir)
	}
	script, err := os.CreateTemp(dir, "quire-bench-infer-*.mjs")
	if err != nil {
		return nil, err
	}
	l := &llama{script: script.Name()}
	if _, err := script.WriteString(llamaScript); err != nil {
		return nil, errors.Join(err, script.Close())
	}
	if err := script.Close(); err != nil {
		return nil, err
	}
	l.cmd = exec.Command("node", l.script)
	l.cmd.Dir, l.cmd.Stderr = dir, os.Stderr
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewScanner(out)
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench infer: %v: Node.js 20 or newer must be on PATH", err)
	}
	var hello struct{ About, Release string }
	if err := l.read(&hello); err != nil {
		return nil, err
	}
	l.about = hello.Release + " " + hello.About
	return l, nil
}

func (l *llama) close() {
	l.in.Close()
	_ = l.cmd.Wait()
	os.Remove(l.script)
}

func (l *llama) read(v any) error {
	if !l.out.Scan() {
		return fmt.Errorf("bench infer: llama.cpp's process ended: %v", l.out.Err())
	}
	return json.Unmarshal(l.out.Bytes(), v)
}

// do sends one command and returns its seconds.
func (l *llama) do(op string, args map[string]any) (float64, error) {
	if args == nil {
		args = map[string]any{}
	}
	args["op"] = op
	line, err := json.Marshal(args)
	if err != nil {
		return 0, err
	}
	if _, err := l.in.Write(append(line, '\n')); err != nil {
		return 0, err
	}
	var answer struct {
		Seconds float64
		Error   string
	}
	if err := l.read(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, fmt.Errorf("bench infer: llama.cpp: %s: %s", op, answer.Error)
	}
	return answer.Seconds, nil
}

// open loads a model, unless it is loaded, and makes a context of that many tokens and sequences.
func (l *llama) open(path string, size, seqs int) error {
	if l.path != path {
		if _, err := l.do("load", map[string]any{"path": path}); err != nil {
			return err
		}
		l.path, l.size = path, 0
	}
	if l.size == size && l.seqs == seqs {
		return nil
	}
	l.size, l.seqs, l.depth = size, seqs, 0
	_, err := l.do("context", map[string]any{"size": size, "seqs": seqs, "threads": simd.Default().Info().Threads})
	return err
}

func (l *llama) prefill(n int) (float64, error) {
	s, err := l.do("prefill", map[string]any{"seq": 0, "at": 0, "n": n})
	if err != nil {
		return 0, err
	}
	_, err = l.do("clear", map[string]any{"seqs": l.seqs})
	return float64(n) / s, err
}

// decode gives every sequence a prompt and then n tokens one at a time.
func (l *llama) decode(seqs, prompt, n int) (float64, error) {
	for s := range seqs {
		if _, err := l.do("prefill", map[string]any{"seq": s, "at": 0, "n": prompt}); err != nil {
			return 0, err
		}
	}
	s, err := l.do("decode", map[string]any{"seqs": seqs, "at": prompt, "n": n})
	if err != nil {
		return 0, err
	}
	_, err = l.do("clear", map[string]any{"seqs": seqs})
	return float64(seqs*n) / s, err
}

// fillStep is how many tokens of a long prompt are computed before they are kept.
const fillStep = 1024

// fill computes a long prompt once and keeps it beside the model, piece by piece: a run that is cut off is not lost.
func (l *llama) fill(path string, depth int) error {
	if l.depth == depth {
		return nil
	}
	state := func(n int) string { return fmt.Sprintf("%s.llama-%d", path, n) }
	at := 0
	for n := depth; n > 0 && at == 0; n -= fillStep {
		if _, err := os.Stat(state(n)); err == nil {
			at = n
		}
	}
	if at > 0 {
		if _, err := l.do("restore", map[string]any{"path": state(at), "size": l.size}); err != nil {
			return err
		}
	}
	for at < depth {
		n := (depth-at-1)%fillStep + 1
		if _, err := l.do("prefill", map[string]any{"seq": 0, "at": at, "n": n}); err != nil {
			return err
		}
		if _, err := l.do("save", map[string]any{"path": state(at+n) + ".part", "n": at + n}); err != nil {
			return err
		}
		if err := os.Rename(state(at+n)+".part", state(at+n)); err != nil {
			return err
		}
		os.Remove(state(at))
		at += n
	}
	l.depth = depth
	return nil
}

// deep decodes after the prompt that fill has computed.
func (l *llama) deep(depth, n int) (float64, error) {
	s, err := l.do("decode", map[string]any{"seqs": 1, "at": depth, "n": n})
	if err != nil {
		return 0, err
	}
	_, err = l.do("forget", map[string]any{"seq": 0, "from": depth})
	return float64(n) / s, err
}
