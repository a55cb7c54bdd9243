package show_test

import (
	"os"

	"quire/lib/show"
)

func Example() {
	show.Install(show.NewTerminal(os.Stdout))
	type run struct {
		Name string
		Loss float64
	}
	show.Display(show.Table([]run{{"base", 2.31}, {"tuned", 1.87}}))
	show.Display(show.Bar([]string{"base", "tuned"}, show.S("loss", []float64{2.31, 1.87})))
	// Output:
	//    Name       Loss
	//    string  float64
	// 0  base       2.31
	// 1  tuned      1.87
	// 2 rows × 2 columns
	// loss
	//  base ┤████████████████████████████████████████ 2.31
	// tuned ┤████████████████████████████████▍ 1.87
}
