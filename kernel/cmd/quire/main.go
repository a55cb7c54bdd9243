// Command quire is the Quire kernel and its tools: every command is a type in a file of its own, listed here.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line. A command's Run method may take a context, cancelled by the first interrupt.
type commands struct {
	Kernel     kernelCmd     `cmd:"" help:"Serve a Jupyter front end."`
	Session    sessionCmd    `cmd:"" hidden:"" help:"Run cells for a kernel that has started this process."`
	Install    installCmd    `cmd:"" help:"Tell Jupyter about this kernel."`
	Uninstall  uninstallCmd  `cmd:"" help:"Make Jupyter forget this kernel."`
	Run        runCmd        `cmd:"" help:"Execute a notebook, without Jupyter."`
	Doctor     doctorCmd     `cmd:"" help:"Say what this machine offers and what to do about what is missing."`
	Corpus     corpusCmd     `cmd:"" help:"Make training data: read, clean, deduplicate, count, convert."`
	Tokenize   tokenizeCmd   `cmd:"" help:"Turn JSON strings, one a line, into arrays of token ids."`
	Detokenize detokenizeCmd `cmd:"" help:"Turn arrays of token ids, one a line, into JSON strings."`
	Chat       chatCmd       `cmd:"" help:"Render conversations by a model's chat template."`
	Logits     logitsCmd     `cmd:"" help:"Print the logits of a model for given token ids, as JSON."`
	Train      trainCmd      `cmd:"" help:"Train a model as a configuration says."`
	Quantize   quantizeCmd   `cmd:"" help:"Make a model smaller: 4 or 8 bits a weight, by rounding, AWQ or GPTQ."`
	Generate   generateCmd   `cmd:"" help:"Continue a text with a model."`
	Bench      benchCmd      `cmd:"" help:"Measure this build beside its peers, in one run."`
	Version    versionCmd    `cmd:"" help:"Print version, Go release and SIMD level."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := kong.Parse(&commands{}, kong.Name("quire"),
		kong.Description("A Jupyter kernel for Go with the whole life of a language model as its standard library."),
		kong.ShortUsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)))
	app.FatalIfErrorf(app.Run())
}
