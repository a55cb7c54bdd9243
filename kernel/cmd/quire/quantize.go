package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"quire/lib/checkpoint"
	"quire/lib/corpus"
	"quire/lib/quant"
	"quire/lib/token"
	"quire/simd"
	"quire/simd/dtype"
)

// quantizeCmd makes a smaller model: a GGUF file, or for w4 the folder that LMDeploy reads as AWQ.
type quantizeCmd struct {
	Model   string `short:"m" required:"" placeholder:"PATH" help:"Model: a Hugging Face folder, a .gguf or a llama2.c .bin."`
	Out     string `short:"o" required:"" placeholder:"PATH" help:"The .gguf file to write; for --to w4 the folder."`
	To      string `enum:"q8_0,q4_0,q4_k,w4" default:"q4_0" help:"Format of the matrices: q8_0, q4_0, q4_k, or w4 (4 bits, groups of 128)."`
	Method  string `enum:"rtn,awq,gptq" default:"rtn" help:"Rounding: rtn (to nearest), awq or gptq, which need --calib."`
	Calib   string `placeholder:"FILE" help:"Texts to calibrate on: .txt, .jsonl, .arrow … One window of eight is kept to measure the perplexity."`
	Windows int    `default:"128" help:"How many windows of text are read."`
	Length  int    `default:"512" help:"Tokens in a window, at most those that the model was trained for."`
	Special string `enum:"allow,forbid,text" default:"text" help:"What the text of a special token means in --calib: allow, forbid or text."`
}

// heldOut is the share of windows that measure the perplexity: one of so many.
const heldOut = 8

// quantizeTypes are the types of matrices; the head stays finer than 4 bits, as in llama.cpp's files. None: as the model has it.
var quantizeTypes = map[string]struct{ matrices, embed, head dtype.Type }{
	"q8_0": {dtype.Q8_0, dtype.Q8_0, dtype.Q8_0}, "q4_0": {dtype.Q4_0, dtype.Q4_0, dtype.Q8_0},
	"q4_k": {dtype.Q4_K, dtype.Q4_K, dtype.Q8_0}, "w4": {matrices: dtype.AWQ4},
}

// Run implements kong's command.
func (c *quantizeCmd) Run(ctx context.Context) error {
	gguf := strings.HasSuffix(c.Out, ".gguf")
	switch {
	case c.To != "w4" && !gguf:
		return fmt.Errorf("quantize: -o %s: %s is a GGUF format: want a name that ends in .gguf", c.Out, c.To)
	case c.To == "w4" && gguf:
		return fmt.Errorf("quantize: -o %s: GGUF has no w4: want a folder, or --to q4_0 or q4_k", c.Out)
	case c.Method != "rtn" && c.Calib == "":
		return fmt.Errorf("quantize: --method %s needs --calib with texts like those that the model will see", c.Method)
	case c.Windows < 1 || c.Length < 2:
		return errors.New("quantize: want --windows of 1 or more and --length of 2 or more")
	}
	m, err := checkpoint.Load(c.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	tok, err := m.Tokenizer()
	if err != nil && c.Calib != "" {
		return err
	}
	t := quantizeTypes[c.To]
	cfg := quant.Config{Method: quant.Method(c.Method), Type: t.matrices, Embed: t.embed, Head: t.head}
	if c.Calib != "" {
		if cfg.Calibration, cfg.Evaluate, err = c.texts(ctx, tok, m.Config.MaxSeqLen); err != nil {
			return err
		}
	}
	r, err := quant.Quantize(ctx, simd.Default(), m.Config, m.Weights, cfg)
	if err != nil {
		return err
	}
	if err := c.save(m, r, tok); err != nil {
		return err
	}
	fmt.Println(r.Report)
	return nil
}

func (c *quantizeCmd) save(m *checkpoint.Model, r *quant.Result, tok *token.Tokenizer) error {
	if c.To != "w4" {
		return checkpoint.SaveGGUF(c.Out, m.Config, r.Weights, tok, nil)
	}
	o := checkpoint.SaveOptions{Tokenizer: tok}
	if info, err := os.Stat(c.Model); err == nil && info.IsDir() {
		o = checkpoint.SaveOptions{CopyFrom: c.Model}
	}
	return checkpoint.SaveHF(c.Out, m.Config, r.Weights, o)
}

// texts cuts documents into windows, until there are enough.
func (c *quantizeCmd) texts(ctx context.Context, tok *token.Tokenizer, most int) (calibration, evaluate [][]uint32, err error) {
	policy, err := token.ParsePolicy(c.Special)
	if err != nil {
		return nil, nil, err
	}
	n := 0
	for doc, err := range corpus.Read(ctx, corpus.Fields{}, c.Calib) {
		if err != nil {
			return nil, nil, fmt.Errorf("quantize: --calib: %w", err)
		}
		ids, err := tok.Encode(doc.Text, token.Options{Special: policy, Template: true})
		if err != nil {
			return nil, nil, fmt.Errorf("quantize: --calib: %s: %w", doc.Source, err)
		}
		for len(ids) > 1 && n < c.Windows {
			window := ids[:min(len(ids), c.Length, most)]
			ids = ids[len(window):]
			if n++; n%heldOut == 0 {
				evaluate = append(evaluate, window)
			} else {
				calibration = append(calibration, window)
			}
		}
		if n == c.Windows {
			break
		}
	}
	if len(calibration) == 0 {
		return nil, nil, fmt.Errorf("quantize: --calib: %s holds no text", c.Calib)
	}
	return calibration, evaluate, ctx.Err()
}
