package sandbox

import (
	"fmt"
	"os"
	"runtime/metrics"
	"sync"
	"time"

	"go.starlark.net/starlark"
)

// The watchdog's limits. A script that keeps to the limit of steps comes nowhere
// near them, unless one of its steps does what no step should.
const (
	maxTime  = 20 * time.Second
	maxHeap  = 1 << 30 // bytes that the program's heap may grow by while a script runs
	tooLate  = 5 * time.Second
	tooLarge = 4 << 30
)

// runaway is called when a script does not stop though it was told to: it is in
// the middle of one step that has no end, and a goroutine cannot be killed. The
// program ends itself.
var runaway = func(err error) {
	_, _ = fmt.Fprintf(os.Stderr, "emurace: %v\nhint: the program had to be ended; the script is at fault\n", err)
	os.Exit(2)
}

// watched is a run that is under way.
type watched struct {
	name  string
	began time.Time
	heap  uint64
	told  bool
}

var watcher struct {
	sync.Mutex
	running bool
	runs    map[*starlark.Thread]*watched
}

// watch has the watchdog look after a run until the function that it returns is
// called.
func watch(t *starlark.Thread, name string) (end func()) {
	w := &watcher
	w.Lock()
	defer w.Unlock()
	if w.runs == nil {
		w.runs = map[*starlark.Thread]*watched{}
	}
	w.runs[t] = &watched{name: name, began: time.Now()}
	if !w.running {
		w.running = true
		go look()
	}
	return func() {
		w.Lock()
		delete(w.runs, t)
		w.Unlock()
	}
}

// Pause is called by a function of the host's that lets a script wait, for as long as
// the host likes. What it returns is called when the script goes on, which then has
// its limits of time and steps anew.
func Pause(t *starlark.Thread) (resume func()) {
	w := &watcher
	w.Lock()
	defer w.Unlock()
	run := w.runs[t]
	delete(w.runs, t)
	return func() {
		t.SetMaxExecutionSteps(t.ExecutionSteps() + maxSteps)
		if run != nil {
			watch(t, run.name)
		}
	}
}

// look watches as long as there is something to be watched. Most runs are over
// before it has looked once, so the heap is asked about only for those that are not.
func look() {
	idle := 0
	for {
		time.Sleep(10 * time.Millisecond)
		watcher.Lock()
		if len(watcher.runs) == 0 {
			if idle++; idle > 100 {
				watcher.running = false
				watcher.Unlock()
				return
			}
			watcher.Unlock()
			continue
		}
		idle = 0
		var late error
		var heap uint64
		for t, w := range watcher.runs {
			if time.Since(w.began) < 10*time.Millisecond {
				continue
			}
			if heap == 0 {
				heap = heapBytes()
			}
			if err := w.judge(t, heap); err != nil {
				late = err
			}
		}
		watcher.Unlock()
		if late != nil {
			runaway(late)
		}
	}
}

// judge stops a run that goes too far, and returns an error when that is in vain.
func (w *watched) judge(t *starlark.Thread, heap uint64) error {
	if w.heap == 0 {
		w.heap = heap
	}
	took, grown := time.Since(w.began), heap-min(heap, w.heap)
	switch {
	case w.told && (took > maxTime+tooLate || grown > tooLarge):
		return fmt.Errorf("%s: does not stop (%v, %d MiB)", w.name, took.Round(time.Second), grown>>20)
	case took > maxTime:
		t.Cancel(fmt.Sprintf("it takes more than %v", maxTime))
		w.told = true
	case grown > maxHeap:
		t.Cancel(fmt.Sprintf("it takes more than %d MiB of memory", maxHeap>>20))
		w.told = true
	}
	return nil
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
