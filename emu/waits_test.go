package emu

import (
	"testing"

	"emurace/loader"
)

// TestWaits: a thread that waits says for which word, the kernel's clear-tid
// word belongs to its thread, and ids are the guest's own.
func TestWaits(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		worker, err := p.Spawn("worker")
		if err != nil {
			t.Fatal(err)
		}
		mutex := p.bytes(make([]byte, 64))
		p.call(0, "pthread_mutex_lock", mutex)
		if _, ok := p.WaitsFor(worker); ok {
			t.Error("worker waits for something")
		}
		p.begin(worker, "pthread_mutex_lock", mutex)
		if s := p.run(worker, BootInstructions); s.Kind != Waits {
			t.Fatal(s)
		}
		if addr, ok := p.WaitsFor(worker); !ok || addr != mutex {
			t.Errorf("worker waits for %#x, %v, and not for %#x", addr, ok, mutex)
		}
		if _, ok := p.ClearsAtEnd(mutex); ok {
			t.Error("the mutex is cleared at a thread's end")
		}
		if id, ok := p.TID(0); !ok || uint64(id) != p.call(0, "getpid") {
			t.Errorf("main's id is %d, %v", id, ok)
		}
		if a, ok := p.TID(worker); !ok || a == 0 {
			t.Errorf("worker's id is %d, %v", a, ok)
		}
		for _, thread := range []int{-1, 2, MaxThreads} {
			if _, ok := p.TID(thread); ok {
				t.Errorf("there is a thread %d", thread)
			}
		}
		p.call(0, "pthread_mutex_unlock", mutex)
		p.finish(worker)
		handle := p.call(worker, "pthread_self")
		p.begin(0, "pthread_join", handle, 0)
		if s := p.run(0, BootInstructions); s.Kind != Waits {
			t.Fatal(s)
		}
		word, ok := p.WaitsFor(0)
		if who, found := p.ClearsAtEnd(word); !ok || !found || who != worker {
			t.Errorf("main waits for %#x, %v, of thread %d, %v", word, ok, who, found)
		}
		// The system call itself: pthread_exit loads libgcc_s.
		exit := map[loader.Arch]uint64{loader.ARM64: 93, loader.AMD64: 60}
		p.begin(worker, "syscall", exit[p.Arch()], 0)
		if s := p.run(worker, BootInstructions); s.Kind != Gone {
			t.Fatal(s)
		}
		if _, ok := p.TID(worker); ok {
			t.Error("worker has ended and has an id")
		}
		if _, ok := p.ClearsAtEnd(word); ok {
			t.Error("worker has ended and clears a word")
		}
		if p.finish(0) != 0 {
			t.Error("pthread_join failed")
		}
	})
}

// TestWaitsForever: only a wake-up ends the wait for a mutex, but a deadline ends one
// with a deadline. A thread that is roused without a wake-up tries again.
func TestWaitsForever(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		worker, err := p.Spawn("worker")
		if err != nil {
			t.Fatal(err)
		}
		mutex := p.bytes(make([]byte, 64))
		far := p.bytes([]byte{15: 0, 4: 1}) // the second 2^32
		if _, ok := p.WaitsForever(worker); ok {
			t.Error("worker waits")
		}
		if ok, err := p.Rouse(worker); ok || err != nil {
			t.Errorf("worker was roused, %v", err)
		}
		p.call(0, "pthread_mutex_lock", mutex)
		mark, err := p.Mark()
		if err != nil {
			t.Fatal(err)
		}
		defer mark.Drop()
		p.begin(worker, "pthread_mutex_timedlock", mutex, far)
		if s := p.run(worker, BootInstructions); s.Kind != Waits {
			t.Fatal(s)
		}
		if addr, ok := p.WaitsForever(worker); ok {
			t.Errorf("with a deadline it waits for %#x for ever", addr)
		}
		if err := mark.Rewind(); err != nil {
			t.Fatal(err)
		}
		p.begin(worker, "pthread_mutex_lock", mutex)
		for range 2 {
			if s := p.run(worker, BootInstructions); s.Kind != Waits {
				t.Fatal(s)
			}
			if addr, ok := p.WaitsForever(worker); !ok || addr != mutex {
				t.Errorf("it waits for %#x, %v, and not for %#x", addr, ok, mutex)
			}
			if ok, err := p.Rouse(worker); !ok || err != nil || !p.Runnable(worker) {
				t.Errorf("not roused: %v, %v", ok, err)
			}
		}
	})
}

// TestSetRegister: what is set is read, and a name that is none changes nothing.
func TestSetRegister(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		names := map[loader.Arch]string{loader.ARM64: "x3", loader.AMD64: "r8"}
		name := names[p.Arch()]
		if ok, err := p.SetRegister(0, name, 1<<63|5); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if v, ok := p.Register(0, name); !ok || v != 1<<63|5 {
			t.Errorf("%s is %#x", name, v)
		}
		if ok, err := p.SetRegister(0, "no register", 1); ok || err != nil {
			t.Error(ok, err)
		}
	})
}
