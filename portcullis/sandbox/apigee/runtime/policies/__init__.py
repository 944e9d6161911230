"""The policies this runtime knows, by the name of their root element. Every other type is refused at deployment."""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.policies.access_control import AccessControl
from portcullis.sandbox.apigee.runtime.policies.assert_condition import AssertCondition
from portcullis.sandbox.apigee.runtime.policies.assign_message import AssignMessage
from portcullis.sandbox.apigee.runtime.policies.base import Policy
from portcullis.sandbox.apigee.runtime.policies.basic_authentication import BasicAuthentication
from portcullis.sandbox.apigee.runtime.policies.caching import (
    InvalidateCache,
    LookupCache,
    PopulateCache,
    ResponseCache,
)
from portcullis.sandbox.apigee.runtime.policies.cors import CORS
from portcullis.sandbox.apigee.runtime.policies.decode_jwt import DecodeJWT
from portcullis.sandbox.apigee.runtime.policies.extract_variables import ExtractVariables
from portcullis.sandbox.apigee.runtime.policies.flow_callout import FlowCallout
from portcullis.sandbox.apigee.runtime.policies.generate_jwt import GenerateJWT
from portcullis.sandbox.apigee.runtime.policies.javascript import JavaScript
from portcullis.sandbox.apigee.runtime.policies.json_threat_protection import JSONThreatProtection
from portcullis.sandbox.apigee.runtime.policies.json_to_xml import JSONToXML
from portcullis.sandbox.apigee.runtime.policies.key_value_map_operations import KeyValueMapOperations
from portcullis.sandbox.apigee.runtime.policies.message_logging import MessageLogging
from portcullis.sandbox.apigee.runtime.policies.oauth import (
    DeleteOAuthV2Info,
    GetOAuthV2Info,
    OAuthV2,
    SetOAuthV2Info,
)
from portcullis.sandbox.apigee.runtime.policies.quota import Quota
from portcullis.sandbox.apigee.runtime.policies.raise_fault import RaiseFault
from portcullis.sandbox.apigee.runtime.policies.regular_expression_protection import RegularExpressionProtection
from portcullis.sandbox.apigee.runtime.policies.reset_quota import ResetQuota
from portcullis.sandbox.apigee.runtime.policies.service_callout import ServiceCallout
from portcullis.sandbox.apigee.runtime.policies.spike_arrest import SpikeArrest
from portcullis.sandbox.apigee.runtime.policies.verify_api_key import VerifyAPIKey
from portcullis.sandbox.apigee.runtime.policies.verify_jwt import VerifyJWT
from portcullis.sandbox.apigee.runtime.policies.xml_threat_protection import XMLThreatProtection
from portcullis.sandbox.apigee.runtime.policies.xml_to_json import XMLToJSON

REGISTRY: dict[str, type[Policy]] = {
    policy.type_name: policy
    for policy in (
        AccessControl,
        AssertCondition,
        AssignMessage,
        BasicAuthentication,
        CORS,
        DecodeJWT,
        DeleteOAuthV2Info,
        ExtractVariables,
        FlowCallout,
        GenerateJWT,
        GetOAuthV2Info,
        InvalidateCache,
        JavaScript,
        JSONThreatProtection,
        JSONToXML,
        KeyValueMapOperations,
        LookupCache,
        MessageLogging,
        OAuthV2,
        PopulateCache,
        Quota,
        RaiseFault,
        RegularExpressionProtection,
        ResetQuota,
        ResponseCache,
        ServiceCallout,
        SetOAuthV2Info,
        SpikeArrest,
        VerifyAPIKey,
        VerifyJWT,
        XMLThreatProtection,
        XMLToJSON,
    )
}

__all__ = ["REGISTRY", "Policy"]
