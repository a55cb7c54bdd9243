package iter

// Seq and the rest of the types are in the extracted source.

func Pull[V any](seq Seq[V]) (next func() (V, bool), stop func()) {
	next2, stop := Pull2(func(yield func(V, struct{}) bool) {
		seq(func(v V) bool { return yield(v, struct{}{}) })
	})
	return func() (V, bool) {
		v, _, ok := next2()
		return v, ok
	}, stop
}

func Pull2[K, V any](seq Seq2[K, V]) (next func() (K, V, bool), stop func()) {
	type pair struct {
		k K
		v V
	}
	var (
		ask     = make(chan bool)
		answer  = make(chan *pair)
		failed  any
		started bool
		done    bool
	)
	run := func() {
		defer func() {
			failed = recover()
			close(answer)
		}()
		if !<-ask {
			return
		}
		seq(func(k K, v V) bool {
			answer <- &pair{k, v}
			return <-ask
		})
	}
	resume := func(more bool) *pair {
		if !started {
			started = true
			go run()
		}
		ask <- more
		p := <-answer
		if p == nil {
			done = true
			if failed != nil {
				panic(failed)
			}
		}
		return p
	}
	next = func() (k K, v V, ok bool) {
		if done {
			return
		}
		p := resume(true)
		if p == nil {
			return
		}
		return p.k, p.v, true
	}
	stop = func() {
		if done {
			return
		}
		if !started {
			done = true
			return
		}
		resume(false)
	}
	return next, stop
}
