// The objects that Apigee's JavaScript policy gives to a script, over the one function the runtime supplies:
// host(operation, ...arguments). It follows the JavaScript object model reference.
(function (global) {
  var host = global.__host;
  delete global.__host;

  var READ_ERROR = "asXML holds no well-formed XML";

  function define(target, name, get, set) {
    Object.defineProperty(target, name, { get: get, set: set, enumerable: true, configurable: true });
  }

  // ---- Values that a name has several of: reads as the first, indexed as a list, length() tells how many.

  function Values(values) {
    var self = this;
    values.forEach(function (value, index) {
      self[index] = value;
    });
    var count = function () {
      return values.length;
    };
    count.valueOf = count;
    Object.defineProperty(this, "length", { value: count });
  }
  Values.prototype = Object.create(String.prototype, {
    constructor: { value: Values },
    toString: { value: function () { return this[0]; } },
    valueOf: { value: function () { return this[0]; } },
    toJSON: { value: function () { return this.length() > 1 ? Array.prototype.slice.call(Object.assign([], this)) : this[0]; } },
  });

  function texts(value) {
    return Array.isArray(value) ? value.map(String) : [String(value)];
  }

  // A map of names to Values over three functions; assigning, deleting and listing work as on an object.
  function multiMap(names, read, write) {
    return new Proxy({}, {
      get: function (_, name) {
        if (typeof name !== "string") return undefined;
        var found = read(name);
        return found.length ? new Values(found) : undefined;
      },
      set: function (_, name, value) {
        write(String(name), value === null || value === undefined ? [] : texts(value));
        return true;
      },
      has: function (_, name) {
        return typeof name === "string" && read(name).length > 0;
      },
      deleteProperty: function (_, name) {
        write(String(name), []);
        return true;
      },
      ownKeys: names,
      getOwnPropertyDescriptor: function (_, name) {
        var found = typeof name === "string" ? read(name) : [];
        return found.length ? { value: new Values(found), enumerable: true, configurable: true, writable: true } : undefined;
      },
    });
  }

  // ---- XML: what can be read without the syntax of E4X.

  function serialize(node) {
    if (typeof node === "string") return escapeText(node);
    var attributes = node.attributes.map(function (pair) {
      return " " + pair[0] + '="' + escapeText(pair[1]).replace(/"/g, "&quot;") + '"';
    });
    var inner = node.children.map(serialize).join("");
    return "<" + node.name + attributes.join("") + (inner ? ">" + inner + "</" + node.name + ">" : "/>");
  }

  function escapeText(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  function textOf(node) {
    return typeof node === "string" ? node : node.children.map(textOf).join("");
  }

  function isElement(node) {
    return typeof node !== "string";
  }

  function local(name) {
    return name.slice(name.indexOf(":") + 1);
  }

  var XML_METHODS = {
    toString: function (nodes) {
      return nodes
        .map(function (node) {
          return isElement(node) && node.children.some(isElement) ? serialize(node) : textOf(node);
        })
        .join("\n");
    },
    toXMLString: function (nodes) { return nodes.map(serialize).join("\n"); },
    length: function (nodes) { return nodes.length; },
    text: function (nodes) { return nodes.map(textOf).join(""); },
    name: function (nodes) { return nodes.length ? nodes[0].name : null; },
    localName: function (nodes) { return nodes.length ? local(nodes[0].name) : null; },
    children: function (nodes) {
      return xmlList([].concat.apply([], nodes.map(function (node) { return node.children; })));
    },
    elements: function (nodes, name) { return xmlList(descend(nodes, name || "*", false)); },
    child: function (nodes, name) { return xmlList(descend(nodes, name, false)); },
    descendants: function (nodes, name) { return xmlList(descend(nodes, name || "*", true)); },
    attribute: function (nodes, name) { return attribute(nodes, name); },
    hasComplexContent: function (nodes) { return nodes.some(function (node) { return node.children.some(isElement); }); },
    hasSimpleContent: function (nodes) { return !nodes.some(function (node) { return node.children.some(isElement); }); },
  };
  XML_METHODS.valueOf = XML_METHODS.toString;
  XML_METHODS.toJSON = XML_METHODS.toString;

  function named(name) {
    return function (node) {
      return isElement(node) && (name === "*" || node.name === name || local(node.name) === name);
    };
  }

  function descend(nodes, name, deep) {
    var found = [];
    nodes.filter(isElement).forEach(function (node) {
      node.children.filter(isElement).forEach(function (child) {
        if (named(name)(child)) found.push(child);
        if (deep) found = found.concat(descend([child], name, true));
      });
    });
    return found;
  }

  function attribute(nodes, name) {
    var found = [];
    nodes.filter(isElement).forEach(function (node) {
      node.attributes.forEach(function (pair) {
        if (pair[0] === name || local(pair[0]) === name) found.push(pair[1]);
      });
    });
    return xmlList(found);
  }

  // As in E4X, `order.name` is the child and `order.name()` the method: what is read can be called, too.
  function xmlList(nodes, method) {
    return new Proxy(function () {}, {
      apply: function (_, self, given) { return method.apply(null, given); },
      get: function (_, name) {
        if (name === Symbol.toPrimitive) return function () { return XML_METHODS.toString(nodes); };
        if (name === Symbol.iterator) {
          var items = nodes.map(function (node) { return xmlList([node]); });
          return items[Symbol.iterator].bind(items);
        }
        if (typeof name !== "string") return undefined;
        if (/^\d+$/.test(name)) return name < nodes.length ? xmlList([nodes[name]]) : undefined;
        if (name.charAt(0) === "@") return attribute(nodes, name.slice(1));
        var found = descend(nodes, name, false);
        var own = Object.prototype.hasOwnProperty.call(XML_METHODS, name);
        return own ? xmlList(found, XML_METHODS[name].bind(null, nodes)) : xmlList(found);
      },
      has: function (_, name) {
        return typeof name === "string" && descend(nodes, name, false).length > 0;
      },
    });
  }

  function XML(text) {
    var root = host("xml", String(text));
    if (root === null) throw new TypeError(READ_ERROR);
    return xmlList([root]);
  }

  // ---- The body of a message: text that can be read and changed as JSON, as a form, or read as XML.

  // `slot` reads and writes the text. What asJSON has handed out is written back when the script ends, if it changed.
  var open = [];

  function Body(slot) {
    this.slot = slot;
    this.object = undefined;
    this.before = undefined;
  }
  Body.prototype.text = function () {
    this.flush();
    return this.slot.read();
  };
  Body.prototype.replace = function (value) {
    this.object = undefined;
    this.slot.write(value === null || value === undefined ? "" : String(value));
  };
  Body.prototype.json = function () {
    if (this.object === undefined) {
      var text = this.slot.read();
      this.object = text.trim() === "" ? {} : JSON.parse(text);
      this.before = JSON.stringify(this.object);
      open.push(this);
    }
    return this.object;
  };
  Body.prototype.flush = function () {
    if (this.object === undefined) return;
    var now = JSON.stringify(this.object);
    if (now !== this.before) {
      this.slot.write(now);
      this.before = now;
    }
  };
  Body.prototype.content = function () {
    var body = this;
    var content = new String(body.text());
    define(content, "asJSON", function () { return body.json(); });
    define(content, "asXML", function () { return XML(body.text()); });
    define(content, "asForm", function () { return body.slot.form(); });
    return content;
  };

  function addBody(target, slot) {
    var body = new Body(slot);
    ["content", "body"].forEach(function (name) {
      define(target, name, function () { return body.content(); }, function (value) { body.replace(value); });
    });
  }

  // ---- The messages of the flow.

  function partOf(name, part) {
    return multiMap(
      function () { return host("names", name, part); },
      function (key) { return host("values", name, part, key); },
      function (key, values) { host("assign", name, part, key, values); }
    );
  }

  function replacePart(name, part, values) {
    host("names", name, part).forEach(function (key) { host("assign", name, part, key, []); });
    Object.keys(values || {}).forEach(function (key) { host("assign", name, part, key, texts(values[key])); });
  }

  function addPart(target, property, name, part) {
    var map = partOf(name, part);
    define(target, property, function () { return map; }, function (values) { replacePart(name, part, values); });
  }

  function addField(target, property, name, field) {
    define(target, property, function () { return host("get", name + "." + field); },
      function (value) { host("set", name + "." + field, plain(value)); });
  }

  function flowBody(name) {
    return {
      read: function () { return host("get", name + ".content") || ""; },
      write: function (text) { host("set", name + ".content", text); },
      form: function () { return partOf(name, "form"); },
    };
  }

  function requestOf(name) {
    var request = {};
    addPart(request, "headers", name, "headers");
    addPart(request, "queryParams", name, "query");
    addPart(request, "formParams", name, "form");
    addField(request, "method", name, "verb");
    addField(request, "verb", name, "verb");
    addField(request, "path", name, "path");
    define(request, "url", function () { return host("url"); }, function (value) { host("set", "target.url", String(value)); });
    addBody(request, flowBody(name));
    return request;
  }

  function responseOf(name) {
    var response = {}, status = {};
    addPart(response, "headers", name, "headers");
    addField(status, "code", name, "status.code");
    addField(status, "message", name, "reason.phrase");
    // A response of httpClient has a number here: one object serves both ways of writing it.
    status.valueOf = function () { return status.code; };
    status.toString = function () { return String(status.code); };
    Object.defineProperty(status, "valueOf", { enumerable: false });
    Object.defineProperty(status, "toString", { enumerable: false });
    define(response, "status", function () { return status; }, function (value) { status.code = value; });
    addBody(response, flowBody(name));
    return response;
  }

  // What a variable that is a message reads as: the message's object, which is its content where text is asked for.
  function messageOf(name) {
    var message = host("get", name + ".status.code") === null ? requestOf(name) : responseOf(name);
    ["toString", "valueOf", "toJSON"].forEach(function (method) {
      Object.defineProperty(message, method, { value: function () { return String(message.content); } });
    });
    return message;
  }

  // ---- httpClient.

  function holder(headers, text, isForm) {
    var lower = {}, slot = { text: text };
    Object.keys(headers || {}).forEach(function (key) { lower[key.toLowerCase()] = [key, texts(headers[key])]; });
    return {
      headers: multiMap(
        function () { return Object.keys(lower).map(function (key) { return lower[key][0]; }); },
        function (key) { return (lower[key.toLowerCase()] || ["", []])[1]; },
        function (key, values) {
          if (values.length) lower[key.toLowerCase()] = [key, values];
          else delete lower[key.toLowerCase()];
        }
      ),
      pairs: function () {
        return [].concat.apply([], Object.keys(lower).map(function (key) {
          return lower[key][1].map(function (value) { return [lower[key][0], value]; });
        }));
      },
      body: {
        read: function () { return slot.text; },
        write: function (value) { slot.text = value; },
        form: function () { return formOf(slot); },
      },
    };
  }

  function formOf(slot) {
    function pairs() { return host("parse_form", slot.text); }
    return multiMap(
      function () { return pairs().map(function (pair) { return pair[0]; }).filter(function (key, i, all) { return all.indexOf(key) === i; }); },
      function (key) { return pairs().filter(function (pair) { return pair[0] === key; }).map(function (pair) { return pair[1]; }); },
      function (key, values) {
        var kept = pairs().filter(function (pair) { return pair[0] !== key; });
        slot.text = host("write_form", kept.concat(values.map(function (value) { return [key, value]; })));
      }
    );
  }

  function Request(url, method, headers, body) {
    var held = holder(headers, "");
    this.url = url === undefined ? "" : String(url);
    this.method = method === undefined ? "GET" : String(method);
    define(this, "headers", function () { return held.headers; }, function (values) { held = holder(values, held.body.read()); });
    addBody(this, { read: function () { return held.body.read(); }, write: function (text) { held.body.write(text); }, form: function () { return held.body.form(); } });
    Object.defineProperty(this, "pairs", { value: function () { return held.pairs(); } });
    if (body !== undefined && body !== null) this.body = isPlain(body) ? JSON.stringify(body) : body;
  }

  function isPlain(value) {
    return typeof value === "object" && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);
  }

  function Exchange(id) {
    Object.defineProperty(this, "id", { value: id });
    this.result = undefined;
    this.callback = undefined;
  }
  Exchange.prototype.settle = function (milliseconds) {
    if (this.result === undefined) {
      var found = host("wait", this.id, milliseconds === undefined ? -1 : Number(milliseconds));
      if (found !== null) this.result = found;
    }
    if (this.result !== undefined && this.callback) {
      var callback = this.callback;
      this.callback = undefined;
      callback(this.isSuccess() ? this.getResponse() : null, this.isError() ? this.getError() : null);
    }
    return this.result;
  };
  Exchange.prototype.waitForComplete = function (milliseconds) { this.settle(milliseconds); };
  Exchange.prototype.isComplete = function () { return this.settle(0) !== undefined; };
  Exchange.prototype.isSuccess = function () { return this.isComplete() && this.result.error === null; };
  Exchange.prototype.isError = function () { return this.isComplete() && this.result.error !== null; };
  Exchange.prototype.getError = function () { return this.isError() ? this.result.error : null; };
  Exchange.prototype.getResponse = function () {
    if (!this.isSuccess()) return undefined;
    if (this.response === undefined) {
      var grouped = {};
      this.result.headers.forEach(function (pair) { (grouped[pair[0]] = grouped[pair[0]] || []).push(pair[1]); });
      var held = holder(grouped, this.result.body);
      var status = new Number(this.result.status);
      status.code = this.result.status;
      status.message = this.result.reason;
      this.response = { headers: held.headers, status: status };
      addBody(this.response, held.body);
    }
    return this.response;
  };

  var called = [];

  function send(request, callback) {
    var exchange = new Exchange(host("send", request.method, request.url, request.pairs(), String(request.content)));
    exchange.callback = typeof callback === "function" ? callback : undefined;
    called.push(exchange);
    return exchange;
  }

  function sendAny(request, callback) {
    return send(request instanceof Request ? request : new Request(request), callback);
  }

  var httpClient = { get: sendAny, send: sendAny };

  // ---- Hashes and times.

  function Hash(algorithm) {
    var parts = [];
    this.update = function (text) { parts.push(String(text)); };
    this.updateSalt = function (salt) { parts.unshift(String(salt)); };
    this.digest = function () { return host("digest", algorithm, parts.join(""), "hex"); };
    this.digest64 = function () { return host("digest", algorithm, parts.join(""), "base64"); };
  }

  var crypto = {
    dateFormat: function (format, zone, time) {
      return host("date_format", format === undefined ? "yyyy-MM-dd HH:mm:ss.SSS" : String(format),
        zone === undefined || zone === null ? "UTC" : String(zone), time === undefined || time === null ? null : Number(time));
    },
  };
  ["MD5", "SHA1", "SHA256", "SHA384", "SHA512"].forEach(function (algorithm) {
    crypto["get" + algorithm] = function () { return new Hash(algorithm); };
  });
  crypto.getHash = function (name) { return crypto["get" + String(name).replace("-", "").toUpperCase()](); };

  // A collection such as request.headers.names, which scripts use as the Java object it is on Apigee.
  function javaList(values) {
    var methods = {
      toString: function () { return "[" + values.join(", ") + "]"; },
      size: function () { return values.length; },
      get: function (index) { return values[index]; },
      contains: function (value) { return values.indexOf(String(value)) >= 0; },
      toArray: function () { return values.slice(); },
    };
    Object.keys(methods).forEach(function (name) { Object.defineProperty(values, name, { value: methods[name] }); });
    return values;
  }

  // ---- Variables. An object kept in one is kept for the scripts of the same request; others see its text.

  function plain(value) {
    if (value === undefined || value === null) return null;
    if (value instanceof Values || value instanceof String || value instanceof Number || value instanceof Boolean) return value.valueOf();
    if (Array.isArray(value)) return value.map(String).join(",");
    return typeof value === "object" || typeof value === "function" ? String(value) : value;
  }

  function pack(value) {
    if (value instanceof Exchange) return { exchange: value.id };
    if (typeof value === "function" || value === undefined) return { value: null };
    return { value: value instanceof Values ? value.valueOf() : JSON.parse(JSON.stringify(value)) };
  }

  function unpack(packed) {
    if (packed === null) return undefined;
    return packed.exchange === undefined ? packed.value : new Exchange(packed.exchange);
  }

  function isKept(value) {
    return typeof value === "object" && value !== null && (value instanceof Exchange || isPlain(value));
  }

  var live = {};

  var session = new Proxy({}, {
    get: function (_, key) {
      if (typeof key !== "string") return undefined;
      if (!(key in live)) live[key] = unpack(host("recall", key));
      return live[key];
    },
    set: function (_, key, value) {
      live[key] = value;
      host("keep", String(key), pack(value));
      return true;
    },
    has: function (_, key) { return typeof key === "string" && host("recall", key) !== null; },
    deleteProperty: function (_, key) {
      delete live[key];
      host("keep", String(key), null);
      return true;
    },
    ownKeys: function () { return host("kept"); },
    getOwnPropertyDescriptor: function (_, key) {
      return host("recall", String(key)) === null ? undefined : { value: session[key], enumerable: true, configurable: true, writable: true };
    },
  });

  var VARIABLE = "variable ";

  var context = {
    getVariable: function (name) {
      var kept = session[VARIABLE + name];
      if (kept !== undefined) return kept;
      open.forEach(function (body) { body.flush(); });
      if (host("messages").indexOf(String(name)) >= 0) return messageOf(String(name));
      var value = host("get", String(name));
      return Array.isArray(value) ? javaList(value) : value;
    },
    setVariable: function (name, value) {
      delete session[VARIABLE + name];
      if (isKept(value)) session[VARIABLE + name] = value;
      open.forEach(function (body) { body.flush(); body.object = undefined; });
      host("set", String(name), plain(value));
    },
    removeVariable: function (name) {
      delete session[VARIABLE + name];
      host("remove", String(name));
    },
    session: session,
    flow: host("flow"),
  };

  function provide(name, value) {
    Object.defineProperty(global, name, { value: value, writable: true, configurable: true, enumerable: false });
  }

  var messages = host("messages");
  provide("request", requestOf("request"));
  provide("response", messages.indexOf("response") < 0 ? null : responseOf("response"));
  context.proxyRequest = context.targetRequest = global.request;
  context.proxyResponse = context.targetResponse = global.response;
  if (messages.indexOf("error") >= 0) {
    var error = responseOf("error");
    Object.defineProperty(error, "toString", { value: function () { return error.status.code + ":" + host("get", "fault.name"); } });
    provide("error", error);
    context.proxyError = context.targetError = error;
  }
  provide("context", context);
  provide("httpClient", httpClient);
  provide("Request", Request);
  provide("crypto", crypto);
  provide("XML", XML);
  provide("properties", host("properties"));
  provide("print", function () { host("print", Array.prototype.map.call(arguments, String).join(" ")); });

  // What Rhino's `for each` goes through.
  provide("__values", function (found) {
    if (found === null || found === undefined) return [];
    return typeof found !== "string" && found[Symbol.iterator] && !(found instanceof String) ? found : Object.values(found);
  });

  // What the runtime calls when the scripts are through: callbacks, then what was changed as JSON.
  provide("__finish", function () {
    for (var i = 0; i < called.length; i++) if (called[i].callback) called[i].settle();
    open.forEach(function (body) { body.flush(); });
  });
})(globalThis);
