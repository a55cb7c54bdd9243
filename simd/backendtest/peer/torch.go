package peer

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strings"

	"quire/simd/backendtest"
	"quire/simd/dtype"
)

//go:embed torch_peer.py
var torchScript string

// Torch is a Python process with PyTorch; it computes when it is asked and sleeps otherwise.
type Torch struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr *strings.Builder
	about  string
}

// StartTorch starts the interpreter, with OMP_WAIT_POLICY=passive: threads of OpenBLAS and OpenMP that spin for each other cost PyTorch a factor of 3.
func StartTorch(python string, threads int) (*Torch, error) {
	t := &Torch{cmd: exec.Command(python, "-c", torchScript, fmt.Sprint(threads)), stderr: &strings.Builder{}}
	t.cmd.Env = append(t.cmd.Environ(), "OMP_WAIT_POLICY=passive", fmt.Sprint("OMP_NUM_THREADS=", threads))
	t.cmd.Stderr = t.stderr
	in, err := t.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("peer: %v", err)
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("peer: %v", err)
	}
	t.in, t.out = in, bufio.NewScanner(out)
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("peer: PyTorch: %v: name an interpreter that has it", err)
	}
	if !t.out.Scan() {
		t.Close()
		return nil, fmt.Errorf("peer: PyTorch: %s has none: %s", python, lastLine(t.stderr.String()))
	}
	t.about = t.out.Text()
	return t, nil
}

// About is PyTorch's version and what it computes with.
func (t *Torch) About() string { return t.about }

// Product returns a function that asks for torch.nn.functional.linear, or mm, in the type of p, and returns the seconds of a call. NaN if the process died.
func (t *Torch) Product(p backendtest.Product) func() float64 {
	kind := map[dtype.Type]string{dtype.F32: "float32", dtype.BF16: "bfloat16"}[p.DType]
	op := "linear"
	if p.Plain {
		op = "mm"
	}
	return func() (seconds float64) {
		fmt.Fprintln(t.in, op, p.M, p.N, p.K, kind)
		if !t.out.Scan() {
			return math.NaN()
		}
		if _, err := fmt.Sscan(t.out.Text(), &seconds); err != nil {
			return math.NaN()
		}
		return seconds
	}
}

// Close ends the process.
func (t *Torch) Close() error {
	t.in.Close()
	return t.cmd.Wait()
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
