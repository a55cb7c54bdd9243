package main

import (
	"context"
	"errors"
	"fmt"

	"quire/lib/train"
)

// trainCmd trains a model as a configuration says, and goes on where the run's directory holds a checkpoint.
type trainCmd struct {
	Config string `arg:"" placeholder:"CONFIG.json" help:"Configuration: the JSON form of train.Config."`
	Dir    string `help:"Directory of the run, instead of the configuration's."`
	Every  int    `default:"10" help:"Print the log line of every so many steps."`
}

// Run implements kong's command. The first interrupt ends the run behind its present step, with a checkpoint.
func (c *trainCmd) Run(ctx context.Context) error {
	cfg, err := train.ReadConfig(c.Config)
	if err != nil {
		return err
	}
	if c.Dir != "" {
		cfg.Dir = c.Dir
	}
	run, err := train.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer run.Close()
	fmt.Println("run", run.Dir())
	known := len(run.History())
	for r := range run.Follow(context.Background()) {
		if known--; known < 0 && (r.Step%max(1, c.Every) == 0 || r.Spike) {
			fmt.Println(r)
		}
	}
	err = run.Wait(context.Background())
	if errors.Is(err, context.Canceled) {
		fmt.Println("stopped behind step", run.Last().Step, "with a checkpoint: the same command goes on")
		return nil
	}
	for _, e := range run.Evaluations() {
		fmt.Printf("evaluation step=%d loss=%.4f bits_per_byte=%.4f\n", e.Step, e.All.Loss, e.All.BitsPerByte)
	}
	return err
}
