package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"everloop/engine"
	"everloop/engine/value"
)

// Each key is an object of the class Item, found by its name, without an instance (engine.DirectOf). An item is one byte string in its
// storage: eight bytes of the cas number, four of the flags, and the data. The alarm is the expiry.
const (
	stored     = "i"
	itemHeader = 12
)

// The arguments of a method: eight bytes of the expiry in milliseconds since 1970 (0: none), eight of a number, four of flags, the data.
const argsHeader = 20

func appendArgs(dst []byte, expires int64, number uint64, flags uint32, data []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(expires))
	dst = binary.BigEndian.AppendUint64(dst, number)
	dst = binary.BigEndian.AppendUint32(dst, flags)
	return append(dst, data...)
}

// handle runs one command on one key. The result is the answer as the client gets it; of get and its like, it is the item as it is
// stored, or nothing.
func handle(c *engine.Call) error {
	if _, is := c.Alarm(); is {
		_, err := c.Storage.Delete(stored)
		return err
	}
	encoded, found, err := c.Storage.GetRaw(stored)
	if err != nil {
		return err
	}
	at, set, err := c.Storage.Alarm()
	if err != nil {
		return err
	}
	found = found && (!set || c.Time().UnixMilli() < at) // the alarm comes soon after its moment, not in it
	var cas uint64
	var flags uint32
	var data []byte
	if found {
		item, ok := value.BytesOf(encoded)
		if !ok || len(item) < itemHeader {
			return errors.New("what is stored is no item")
		}
		cas, flags, data = binary.BigEndian.Uint64(item), binary.BigEndian.Uint32(item[8:]), item[itemHeader:]
		if c.Method == "get" {
			c.Result = item
			return nil
		}
	} else if c.Method == "get" {
		return nil
	}
	a := c.Args
	expires, number, newFlags, newData := int64(binary.BigEndian.Uint64(a)), binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint32(a[16:]), a[argsHeader:]
	// What is written gets the next number of this process's clock: two writes of a key never have the same.
	next := max(cas+1, uint64(c.Time().UnixMicro()))
	switch c.Method {
	case "gat":
		if !found {
			return nil
		}
		c.Result = append(c.Result, encoded[len(encoded)-len(data)-itemHeader:]...)
		return expire(c, expires, at, set)
	case "set", "add", "replace", "cas":
		switch {
		case c.Method == "add" && found, c.Method == "replace" && !found:
			return say(c, "NOT_STORED\r\n")
		case c.Method == "cas" && !found:
			return say(c, "NOT_FOUND\r\n")
		case c.Method == "cas" && cas != number:
			return say(c, "EXISTS\r\n")
		}
		if err := put(c, next, newFlags, newData, nil); err != nil {
			return err
		}
		if err := expire(c, expires, at, set); err != nil {
			return err
		}
		return say(c, "STORED\r\n")
	case "append", "prepend":
		if !found {
			return say(c, "NOT_STORED\r\n")
		}
		if len(data)+len(newData) > maxValue {
			return say(c, tooLarge)
		}
		if c.Method == "append" {
			err = put(c, next, flags, data, newData)
		} else {
			err = put(c, next, flags, newData, data)
		}
		if err != nil {
			return err
		}
		return say(c, "STORED\r\n")
	case "delete":
		if !found {
			return say(c, "NOT_FOUND\r\n")
		}
		if _, err := c.Storage.Delete(stored); err != nil {
			return err
		}
		if err := expire(c, 0, at, set); err != nil {
			return err
		}
		return say(c, "DELETED\r\n")
	case "touch":
		if !found {
			return say(c, "NOT_FOUND\r\n")
		}
		if err := expire(c, expires, at, set); err != nil {
			return err
		}
		return say(c, "TOUCHED\r\n")
	case "incr", "decr":
		if !found {
			return say(c, "NOT_FOUND\r\n")
		}
		n, err := strconv.ParseUint(string(data), 10, 64)
		if err != nil {
			return say(c, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
		}
		if c.Method == "incr" {
			n += number // wraps around at 64 bits, as memcached has it
		} else {
			n -= min(n, number) // and this ends at 0
		}
		var digits [20]byte
		text := strconv.AppendUint(digits[:0], n, 10)
		if err := put(c, next, flags, text, nil); err != nil {
			return err
		}
		c.Result = append(append(c.Result, text...), "\r\n"...)
		return nil
	}
	return fmt.Errorf("no method %q", c.Method)
}

func say(c *engine.Call, text string) error {
	c.Result = append(c.Result, text...)
	return nil
}

// put stores an item. It is put together behind the result, in memory that the engine has there for us.
func put(c *engine.Call, cas uint64, flags uint32, b, more []byte) error {
	n := len(c.Result)
	c.Result = value.AppendBytesHeader(c.Result, itemHeader+len(b)+len(more))
	c.Result = binary.BigEndian.AppendUint64(c.Result, cas)
	c.Result = binary.BigEndian.AppendUint32(c.Result, flags)
	c.Result = append(append(c.Result, b...), more...)
	err := c.Storage.PutRaw(stored, c.Result[n:], engine.WriteOptions{})
	c.Result = c.Result[:n]
	return err
}

// expire moves the alarm: to a moment, or away.
func expire(c *engine.Call, expires, at int64, set bool) error {
	switch {
	case expires == 0 && set:
		return c.Storage.DeleteAlarm(engine.WriteOptions{})
	case expires == 0, set && at == expires:
		return nil
	default:
		return c.Storage.SetAlarm(time.UnixMilli(expires))
	}
}
